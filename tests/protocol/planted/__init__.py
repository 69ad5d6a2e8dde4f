"""Bugs that are planted in the real code, one at a time, to show that both searches find them. See `mutants.py`."""
