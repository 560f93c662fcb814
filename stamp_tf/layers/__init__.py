"""Keras layers: attention, pooling over a set, and the generators of masks."""
