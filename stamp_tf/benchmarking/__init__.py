"""Suites of pruning runs as the papers have them: what is compared, running it, and tables and plots of it."""
