"""Measures on arrays, with formula and paper. Open `intervals.py` first: it makes verdicts."""
