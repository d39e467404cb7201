"""DECIDING: what to do next, from facts alone.

Belongs here: the decision (`decide`), the engine (events in, effects out) and the sentences of a verdict; and in rooms
of their own the `facts`, the `queues`, the life of `gangs`, `taking` back and those who are `leaving` for it,
`volumes`, and what is looked at once more before a commit (`verify`). Does not belong here: I/O, clocks (time is an
argument), chance, wire formats. The edges and the runtime import it; it imports solver and model.
"""
