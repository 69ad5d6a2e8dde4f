"""`make bench-scale`: what many rows and many files cost."""
