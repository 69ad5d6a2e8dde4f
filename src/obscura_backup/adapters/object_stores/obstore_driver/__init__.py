"""Object stores by obstore: requests from the event loop."""
