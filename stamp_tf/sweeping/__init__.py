"""Several budgets and methods at once: a run of each, and all of them in one table and one picture."""
