"""Measures of images: pure functions on arrays."""
