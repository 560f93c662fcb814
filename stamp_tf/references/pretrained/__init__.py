"""Networks that others trained and Keras or KerasHub have by name."""
