"""Synthetic digits out, as shards with a manifest. Open `build.py` first: it is the whole build."""
