"""PARITY: kube-scheduler and Muster judge the same pods on the same cluster, node by node, and must agree.

A `World` is drawn from a seed: nodes, what runs on them, and pods to be judged. It is loaded into a real API server;
kube-scheduler's feasible nodes come from an HTTP extender that records every question and refuses every node, so that
nothing is ever bound and each pod meets the same cluster. Muster reads the same objects back from the server, so both
see what admission made of them.

Belongs here: drawing worlds (`draw/`), asking both sides, comparing, counting what was exercised. Does not belong here:
binding (the auditor's matter) and scoring (both sides may prefer different nodes).
"""
