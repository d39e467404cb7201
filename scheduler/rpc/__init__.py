"""EDGE to gRPC: the solver service, its worker process, and the client that the running scheduler asks.

Belongs here: values to protobuf and back (`convert`), where a solver listens (`endpoint`), the service and its process
(`service`, `worker`), the asking side (`client`) and the watch over a worker of our own (`supervise`).
Does not belong here: deciding, building or solving models; what a problem is stands in `scheduler.solver.problem`.
Who may import it: `runtime` and `app` use `client`, `supervise` and `endpoint`. Nobody imports `worker`, which is a
program; only inside it is the solver imported. Whoever imports anything else here never loads OR-Tools.
"""
