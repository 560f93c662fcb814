"""What the benchmark programs share: records that are written once, and the tables that read them."""
