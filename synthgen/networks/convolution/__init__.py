"""Convolutions of small images, and which of them is the quickest where."""
