"""PLACEMENT: which counts of which member go to which node class, and how good that is known to be.

Belongs here: the compact problem, filters, greedy, the CP-SAT model and its terms, expansion to nodes, bounds.
Does not belong here: queues' entitlement, order and windows (core decides who is asked for), I/O, clocks.
Exactly one module, `scheduler.solver.facade`, imports ortools; core may import everything here but that module.
"""
