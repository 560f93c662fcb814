"""The command line: one file a command; TensorFlow is imported inside the command."""
