"""uvicorn with bounds: connections, workers, shutdown."""
