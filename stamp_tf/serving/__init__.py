"""Networks read back from what exporters wrote, and what they say of pictures."""
