"""WIRE: Kubernetes objects as data, in both directions, without I/O.

Belongs here: raw JSON to events (`decode`), effects to HTTP requests and answers to events (`requests`), labels and
annotations of the API (`names`). Both edges that speak the Kubernetes API, the real one and the simulated one, use it.
Does not belong here: sockets, clocks, retries. It may import core and model.
"""
