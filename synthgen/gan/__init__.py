"""The conditional GAN: networks, losses, the training step, the training loop, checkpoints, presets."""
