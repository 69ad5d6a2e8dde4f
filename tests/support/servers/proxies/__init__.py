"""Proxies, and networks that fail."""
