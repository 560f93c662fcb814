"""pruned_runs."""
