"""The augmentation benchmark: does synthetic data help, at which number of real images, over what one has already?"""
