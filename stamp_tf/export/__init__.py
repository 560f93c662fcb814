"""Files that leave a run, one format a file; what each is given, and how it gets to its place."""
