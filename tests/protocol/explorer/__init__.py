"""Every interleaving and every fault, state by state, of calls to the real service. Begin at `moves.py`."""
