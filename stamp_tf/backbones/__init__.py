"""Backbones: functional Keras models, built by name through the registry."""
