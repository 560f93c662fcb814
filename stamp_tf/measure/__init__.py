"""Measured seconds of networks."""
