"""What a device keeps between calls: its state directory."""
