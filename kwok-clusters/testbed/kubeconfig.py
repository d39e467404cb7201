"""Kubeconfig files for the users of a bed."""

import json
from pathlib import Path


def write_kubeconfig(path: Path, server: str, ca_file: Path, user: str, credentials: dict[str, str]) -> Path:
    """Write a kubeconfig with one context. `credentials` is its user entry: a token, or a certificate and its key."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bed", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": user, "namespace": "default"}}],
        "current-context": "bed",
    }
    path.touch(mode=0o600)
    # JSON is YAML, and needs no quoting rules.
    path.write_text(json.dumps(config, indent=2) + "\n")
    return path
