"""Programs of the machine, of containers, or built for the tests."""
