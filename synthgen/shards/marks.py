"""Marks that say of an image, wherever it goes, that it is synthetic and what it was made from."""

# IPTC's term for media that a trained model made; C2PA and image search read it.
# https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
