"""Synthetic digits out: plan, generate, screen, write, manifest, verify, load."""
