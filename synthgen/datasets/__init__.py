"""Real digits in: one value type, sources, splits, pixel scaling, pictures."""
