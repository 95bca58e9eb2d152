"""Networks: Keras models made of settings, and the layers and convolutions that they need."""
