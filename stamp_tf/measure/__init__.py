"""How long steps of a network take on this device, and what phases of a run took."""
