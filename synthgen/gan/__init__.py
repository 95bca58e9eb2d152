"""Networks that draw digits. Open `train.py` first, and `step.py` for what one step does."""
