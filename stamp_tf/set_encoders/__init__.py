"""Set encoders: a set of images to r pseudo-images."""
