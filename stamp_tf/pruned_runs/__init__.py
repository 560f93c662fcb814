"""The directory of a pruned network: written, read back, evaluated, trained further."""
