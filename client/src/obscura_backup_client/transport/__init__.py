"""The HTTP calls to the service."""
