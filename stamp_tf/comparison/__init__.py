"""Which channels runs share, and what swapping their masks costs."""
