"""GREEDY: the plan that is there in milliseconds, and what it places with.

Belongs here: the stock of groups of equal nodes, trying gangs on parts of it, the scores of nodes, slices, the order of
turns. Does not belong here: anything that needs a solver.
"""
