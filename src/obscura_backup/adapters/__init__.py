"""One folder or file per technology. Adapters know the domain; not each other, and no entrypoint."""
