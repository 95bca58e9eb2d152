"""Keras models from settings."""
