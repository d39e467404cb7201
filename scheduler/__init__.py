"""Muster: a secondary Kubernetes scheduler and batch queue for GPU fleets.

Layers, each importing only what stands below it (checked by import-linter):
``__main__ > app > runtime > kube | rpc | sim | scenario | observe | policyfile > wire > core > solver > model``.
"""
