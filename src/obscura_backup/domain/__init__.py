"""The pure heart: model, rules, ports and the service that drives them. Imports nothing but the standard library."""
