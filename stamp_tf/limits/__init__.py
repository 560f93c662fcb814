"""Limits on the cost of a network, a kind a file; `kinds.py` lists them."""
