"""Blobs as objects in a bucket of Google Cloud Storage."""
