"""TensorFlow Model Optimization behind pruning: zeros, shared values, and training for integers of 8 bits."""
