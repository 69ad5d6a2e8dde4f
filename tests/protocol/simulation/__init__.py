"""A simulated deployment: two replicas of the real service, faults at every port, and a register that judges it all.

`machine.py` draws the events, `deployment.py` carries them out, `promises.py` and `record.py` say what must hold.
"""
