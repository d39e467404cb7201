"""EDGE to people: logs, metrics, health.

Belongs here: how the running process shows itself. Does not belong here: anything that decides or writes to Kubernetes.
"""
