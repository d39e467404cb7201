"""VALUES: what the cluster holds, what is asked for, and what was decided.

Belongs here: frozen values and the small arithmetic that defines them (quantities, requests, domains).
Does not belong here: decisions, I/O, clocks, randomness, wire formats.
Everybody may import it; it imports nothing of ours.
"""
