"""A page as values, and what renders it. Open `blocks.py` first: what a page consists of."""
