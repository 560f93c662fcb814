"""A backbone and a set encoder for stamp-tf."""
