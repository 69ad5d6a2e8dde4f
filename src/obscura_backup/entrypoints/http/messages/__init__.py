"""HTTP headers and problem documents."""
