"""Convolutions for small images, and which of them is fastest where."""
