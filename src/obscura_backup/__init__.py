"""Obscura Backup, the service: it stores one encrypted blob per user and cannot read it."""

__version__ = "0.2.0"
