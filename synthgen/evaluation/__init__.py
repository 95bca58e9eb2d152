"""Does it help: classifier, augmentation arms, verdict, report."""
