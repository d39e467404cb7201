"""LEAVING: how pods that a record names are made to go, in an order from which every crash can be resumed.

Belongs here: requests to evict and their answers, gangs that give way, drains and lowered limits.
Does not belong here: who has to go for whom (`..taking`).
"""
