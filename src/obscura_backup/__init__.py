"""Obscura Backup, the server: it stores one opaque blob a user, and knows nothing."""

__version__ = "0.2.0"
