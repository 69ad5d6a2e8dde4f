"""Model, rules, ports, and the service that drives them. Imports only the standard library."""
