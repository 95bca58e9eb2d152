"""Real digits in, from any place and file format. Open `sources.py` first: it says what is read."""
