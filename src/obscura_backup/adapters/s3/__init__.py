"""Blobs as objects in an S3 bucket."""
