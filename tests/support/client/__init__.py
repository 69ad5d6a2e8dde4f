"""What the client's tests share: contents to back up, and a server in memory."""
