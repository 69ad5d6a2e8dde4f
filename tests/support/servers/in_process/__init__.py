"""Parts of servers that run inside the test process, without a network."""
