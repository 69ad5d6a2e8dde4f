"""The handlers, one module per group of paths."""
