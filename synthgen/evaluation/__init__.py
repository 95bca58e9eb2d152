"""Does it help? Classifiers trained with and without synthetic digits, and what else is measured.

`evaluate.py` measures a set that is there, `benchmark.py` compares sizes of data. Open `arms.py`
first: it says what is compared. Nothing here writes a page.
"""
