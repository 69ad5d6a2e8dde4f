"""What a client does, one module per operation."""
