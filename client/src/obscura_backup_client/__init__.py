"""Obscura Backup, the client: seals, merges and restores an identity and its contacts."""

__version__ = "0.1.0"
