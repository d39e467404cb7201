"""Random trees of queues on full fleets, evictions that take their time, and controllers that make every evicted pod
again: does anybody leave twice for the same beneficiary, does it ever come to rest, and is anybody taken who is
protected?

``world`` draws what a world holds and what comes when, ``play`` lets it happen and says what broke. `__main__` runs
many of them.
"""
