"""What is pruned: the network with all that prunes it, its file, and where it is found."""
