"""The slot protocol, tested by the service's own code.

`explorer` visits every interleaving and fault of small scenarios. `simulation` draws long runs with faults at every
port. `planted` holds bugs that both must find.
"""
