"""The blob store by obstore: requests from the event loop. The default of `s3://`."""
