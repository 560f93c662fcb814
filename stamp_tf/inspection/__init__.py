"""What of a network can be pruned, as records and as a picture."""
