"""The pieces of a page and how they are written."""
