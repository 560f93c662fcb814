"""The learning of masks: inner loop, objective, outer step, meta-training."""
