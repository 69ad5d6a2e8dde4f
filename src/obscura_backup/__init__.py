"""Obscura Backup, the server: it stores one opaque blob a user, and knows nothing."""

__version__ = "0.1.0"
