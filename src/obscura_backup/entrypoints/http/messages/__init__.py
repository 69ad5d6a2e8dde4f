"""HTTP headers, problem documents and the OpenAPI document."""
