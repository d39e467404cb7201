"""What is decided together could have been bound one by one: at its turn every pod fits where it is bound."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from scheduler.model import effects as ef
from scheduler.model import events as ev
from tests.unit.core.objects import Raw, accepted, apart, events, near, node, pod, spread
from tests.unit.core.world import Bench

HOST = "kubernetes.io/hostname"
apps = st.sampled_from(["web", "db"])
keys = st.sampled_from(["zone", HOST])
port = {"containerPort": 80, "hostPort": 80}
asks: st.SearchStrategy[Raw] = st.one_of(
    st.just({}),
    st.builds(apart, keys, apps),
    st.builds(near, keys, apps),
    st.builds(
        lambda key, app, skew: {"topologySpreadConstraints": [spread(key, app, skew)]}, keys, apps, st.integers(1, 2)
    ),
    st.just({"ports": [port]}),
)
kinds = st.lists(st.tuples(apps, asks, st.integers(1, 4)), min_size=1, max_size=3)
fleets = st.lists(st.sampled_from(["a", "a", "b", "c"]), min_size=2, max_size=5)


@settings(max_examples=80, deadline=None)
@given(fleets, kinds, st.lists(st.tuples(apps, st.integers(0, 1)), max_size=2))
def test_every_bind_is_one_that_kubernetes_would_allow(
    zones: list[str], drawn: list[tuple[str, Raw, int]], old: list[tuple[str, int]]
) -> None:
    nodes = [node(f"n{number}", zone=zone) for number, zone in enumerate(zones)]
    stands = [pod(f"old-{number}", f"n{on}", labels={"app": app}) for number, (app, on) in enumerate(old)]
    new = [
        pod(f"p{kind}-{number}", labels={"app": app}, **spec)
        for kind, (app, spec, count) in enumerate(drawn)
        for number in range(count)
    ]
    world = Bench(*(event.node for event in events(*nodes) if isinstance(event, ev.NodeSeen)))
    seen = [event.pod for event in events(*stands, *new) if isinstance(event, ev.PodSeen)]
    world.see(*seen)
    for _ in range(3):
        world.tick()
    raw = {each["metadata"]["name"]: each for each in new}
    for bind in world.performed(ef.Bind):
        assert bind.node in accepted(raw[bind.name], *nodes, *stands), (bind.name, bind.node)
        stands.append(_bound(raw[bind.name], bind.node))
    for name in raw.keys() - {bind.name for bind in world.performed(ef.Bind)}:
        assert not _fits_at_last(raw[name], nodes, stands), name


def _bound(waiting: Raw, on: str) -> Raw:
    found: Any = msgspec.json.decode(msgspec.json.encode(waiting))
    found["spec"]["nodeName"] = on
    assert isinstance(found, dict)
    return found


def _fits_at_last(waiting: Raw, nodes: list[Raw], stands: list[Raw]) -> bool:
    return bool(accepted(waiting, *nodes, *stands))
