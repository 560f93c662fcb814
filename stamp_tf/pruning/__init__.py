"""From a reference, a target and a budget to a smaller network: the contract of a method, STAMP, `prune`."""
