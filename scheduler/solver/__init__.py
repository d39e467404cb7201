"""PLACEMENT: which counts of which member go to which node class, and how good that is known to be.

Belongs here: the compact problem and what `build`s it, the CP-SAT model and its `terms`, expansion to nodes; and in
rooms of their own the `asks` of pods, `greedy`, `devices`, `packing`, problems in `parts`, `clearing`, and what is
`blocking` a gang. Does not belong here: queues' entitlement, order and windows (core decides who is asked for), I/O,
clocks. Exactly one module, `scheduler.solver.facade`, imports ortools; core may import everything here but that module.
"""
