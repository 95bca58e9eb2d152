"""The content of a page as values, and what turns it into HTML, Markdown, CSV and plots."""
