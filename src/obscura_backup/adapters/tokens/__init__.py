"""Verification of bearer tokens."""
