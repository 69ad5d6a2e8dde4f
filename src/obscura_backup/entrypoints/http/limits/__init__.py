"""Limits on what callers may use."""
