"""Metadata rows in PostgreSQL."""
