"""DECIDING: what to do next, from facts alone.

Belongs here: the store of facts, shares, the window, the decision, its verification, the sentences of a verdict
and the engine (events in, effects out). Does not belong here: I/O, clocks (time is an argument), chance, wire formats.
The edges and the runtime import it; it imports solver and model.
"""
