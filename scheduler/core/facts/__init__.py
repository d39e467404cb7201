"""FACTS: what has been observed, kept as running totals, with our own places as an overlay.

Belongs here: the store and what it counts (pods by node, use by queue, devices, volumes, budgets, notices to leave).
Does not belong here: any choice. Everything else in core reads it; only the engine and the gangs write to it.
"""
