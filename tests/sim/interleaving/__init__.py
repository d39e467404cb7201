"""INTERLEAVINGS: one engine against a model of the API server, every message late in its own way.

Coarser than the virtual world and much faster: no clock, no HTTP, no kubelet. What users do, what the watches tell,
what requests reach the server and what answers come back are drawn step by step from a seed, each stream in its own
order.
`server` is the model, `users` what is done to it, `checks` what must hold.
"""
