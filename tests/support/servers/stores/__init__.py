"""Metadata stores and blob stores, and what stands before them."""
