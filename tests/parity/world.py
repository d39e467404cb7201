"""What is drawn: a cluster, and pods to be judged on it. All objects are plain documents of the Kubernetes API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

NAMESPACES: Mapping[str, Mapping[str, str]] = {
    "parity-a": {"team": "red", "stage": "test"},
    "parity-b": {"team": "blue", "stage": "test"},
    "parity-c": {"team": "blue", "stage": "prod"},
}
"""The namespaces of every world with their labels. They stay: without its controller no namespace finishes deleting."""


@dataclass(frozen=True, slots=True)
class World:
    """Objects in the order of their creation; a ``status`` among them is written too.

    ``running`` are pods with a node. ``leaving`` are pods, claims and volumes by (namespace, name) that are then
    deleted and do not go: pods have a long grace, the others a finalizer. ``traits`` says per judged pod (by name)
    which features were drawn for it.
    """

    seed: int
    cluster: tuple[Document, ...]
    running: tuple[Document, ...]
    judged: tuple[Document, ...]
    leaving: frozenset[tuple[str, str]] = frozenset()
    traits: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(name_of(each) for each in self.cluster if each["kind"] == "Node")


def name_of(document: Document) -> str:
    return str(document["metadata"]["name"])


def key_of(document: Document) -> tuple[str, str]:
    """(namespace, name)."""
    return str(document["metadata"].get("namespace", "")), name_of(document)
