"""TAKING BACK: what waits and does not fit on what is free may ask running work to give way.

Belongs here: rights, candidates and what they cost, the problem of one gang that takes, the decision and its reasons.
Does not belong here: the search itself (`scheduler.solver.clearing`, and the model), and the evictions (`..leaving`).
"""
