"""Support of the client's tests: contents, and a server in memory."""
