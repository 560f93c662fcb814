"""Plug-ins for stamp-tf, one of each kind and a file each."""
