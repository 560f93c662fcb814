"""What a run leaves on the disk, such that a kill at any instant leaves the last complete state."""
