"""Networks that read digits."""
