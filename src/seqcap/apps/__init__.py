"""Doors, thin and without arithmetic: the command line."""
