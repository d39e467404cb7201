"""SIMULATION: the edge to a virtual world, in which the same engine runs from a seed.

Belongs here: virtual time (`clock`), an in-memory API server that answers the requests of `scheduler.wire` as the real
one does (`server` and what stands below it), nodes that run pods (`kubelet`), a scheduler process in that world
(`process`), delays and faults drawn from a seed (`chance`), an independent audit (`audit`), and the run (`run`).
Does not belong here: a wall clock, threads, asyncio, rules of scheduling. One contract suite runs against this API
server and the real one; whatever is added here is added there.
It may import wire, core, solver and model. Tests and the command line import it.
"""
