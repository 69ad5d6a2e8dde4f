"""Blobs as objects: what the stores of S3, of Google Cloud and of Azure have in common."""
