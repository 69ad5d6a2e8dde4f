"""One file a port and technology. Adapters know the domain's ports and errors; not each other, and no entrypoint."""
