"""Blobs as files in a directory of this machine."""
