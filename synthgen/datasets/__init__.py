"""Real digits in: one value type, a module a file format, MNIST, splits, findings, framing."""
