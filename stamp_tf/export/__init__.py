"""What leaves a run: SavedModel, re-trainable Keras file, measured speed, report and terminal tables."""
