"""Blobs in a container of Azure Blob Storage."""
