"""Networks that read digits. Open `fit.py` first: the one training loop of all of them."""
