"""Settings in, Keras models out. Open `gan.py` first: it builds generator and discriminator."""
