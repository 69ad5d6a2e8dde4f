"""The blob store by boto3: blocking requests in threads. Also credentials, administration and listings."""
