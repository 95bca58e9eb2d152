"""What was measured on the images themselves, without training the classifiers of the arms: frozen values, ready for JSON."""
