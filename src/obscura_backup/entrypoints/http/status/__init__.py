"""The status page: samples of the metrics, what they say about the last hours, and how it is shown."""
