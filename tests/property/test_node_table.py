"""A table that was patched says the same about every node as one that was made anew."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.facts.store import Store
from scheduler.model.cluster import Column, Node, NodeTable
from scheduler.model.resources import resources
from scheduler.model.shape import Taint
from scheduler.model.topology import Level, Topology

TOPOLOGY = Topology("fabric", (Level("block", "block"), Level("rack", "rack")))
NAMES = st.sampled_from([f"n{number}" for number in range(6)])

nodes = st.builds(
    Node,
    NAMES,
    st.dictionaries(st.sampled_from(["block", "rack", "team"]), st.sampled_from("abcd")),
    st.builds(resources, st.dictionaries(st.sampled_from(["cpu", "pods", "example.com/fpga"]), st.integers(1, 9))),
    st.sampled_from([(), (Taint("team"),), (Taint("maintenance", "", "NoExecute"),)]),
    st.booleans(),
    st.booleans(),
)
steps = st.lists(st.one_of(nodes, NAMES), max_size=25)


def values(column: Column) -> list[str | None]:
    codes, known = column
    return [None if code < 0 else known[code] for code in codes.tolist()]


def everything(table: NodeTable) -> list[object]:
    return [
        table.nodes,
        dict(table.rows),
        table.ready.tolist(),
        table.unschedulable.tolist(),
        [table.taint_sets[code] for code in table.taint_codes.tolist()],
        *(values(table.label_column(key)) for key in ("block", "rack", "team")),
        *(values(table.domain_column(TOPOLOGY, depth)) for depth in (0, 1)),
        table.device_kinds(),
    ]


@given(steps)
def test_a_patched_table_is_a_fresh_table(steps: list[Node | str]) -> None:
    store = Store()
    for step in steps:
        if isinstance(step, str):
            store.lose_node(step)
        else:
            store.see_node(step)
        table, capacity = store.table(), store.capacity()
        assert everything(table) == everything(NodeTable.of(tuple(store.nodes.values())))
        for row, node in enumerate(table.nodes):
            assert np.array_equal(capacity[row], store.columns.widened(store.columns.row(node.allocatable)))
        for column in ("block", "rack", "team"):
            assert list(table.label_column(column)[1]) == sorted(table.label_column(column)[1])
