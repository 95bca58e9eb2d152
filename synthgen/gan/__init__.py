"""Networks that draw digits: recipes, losses, training, checkpoints, the shipped generator."""
