"""The census says what counting every pod anew would say, whatever came, went and was asked for in between."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from scheduler.core.facts.census import Census
from scheduler.model.relations import AntiAffinity, LabelSet, PodSelector, PodTerm, Relations
from scheduler.model.selector import Requirement
from scheduler.model.shape import Shape

NODES = 3
labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]), max_size=2)
label_sets = st.builds(
    lambda namespace, found: LabelSet(namespace, tuple(sorted(found.items()))), st.sampled_from(["x", "y"]), labels
)
requirements = st.builds(
    Requirement,
    st.sampled_from(["app", "tier"]),
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.sampled_from([("a",), ("b",), ("a", "b")]),
)
terms = st.builds(
    PodTerm,
    st.sampled_from([("x",), ("y",), ("x", "y"), ()]),
    st.none() | st.lists(requirements, max_size=2).map(tuple),
    st.sampled_from([None, None, (), (Requirement("kind", "In", ("prod",)),)]),
)
selectors = st.builds(PodSelector, st.lists(terms, min_size=1, max_size=2).map(tuple), st.booleans())
shapes = st.one_of(
    st.just(Shape(())),
    st.builds(
        lambda selector: Shape((), relations=Relations(LabelSet(""), anti_affinity=(AntiAffinity(selector, "zone"),))),
        selectors,
    ),
)
pods = st.tuples(st.integers(0, NODES - 1), shapes, label_sets, st.booleans())
steps = st.lists(st.one_of(pods, selectors, st.integers(0, 20)), max_size=20)


@settings(max_examples=300, deadline=None)
@given(steps, selectors, label_sets)
def test_running_counts_are_recounts(drawn: list[object], asked: PodSelector, seen: LabelSet) -> None:
    """A step is a pod that comes, a selector that is asked for, or (a number) a pod that goes."""
    census = Census()
    census.namespaces = {"x": (("kind", "prod"),), "y": ()}
    standing: list[tuple[int, Shape, LabelSet, bool]] = []
    for step in drawn:
        if isinstance(step, PodSelector):
            assert census.standing(step) == _recount(census, standing, step)
        elif isinstance(step, int):
            if standing:
                slot, shape, label_set, leaving = standing.pop(step % len(standing))
                census.count(slot, shape, label_set, -1, leaving=leaving)
        else:
            assert isinstance(step, tuple)
            slot, shape, label_set, leaving = step
            standing.append(step)
            census.count(slot, shape, label_set, 1, leaving=leaving)
    found = census.neighbours([asked], [seen], np.arange(NODES))
    recount = _recount(census, standing, asked)
    assert found.matching[asked].tolist() == [recount[slot] for slot in range(NODES)]
    carriers: Counter[AntiAffinity] = Counter()
    for _, shape, _, _ in standing:
        for term in shape.relations.anti_affinity if shape.relations is not None else ():
            carriers[term] += int(term.selector.matches(seen, census.namespaces))
    assert {term: int(counts.sum()) for term, counts in found.carriers.items()} == +carriers


def _recount(census: Census, standing: list[tuple[int, Shape, LabelSet, bool]], selector: PodSelector) -> Counter[int]:
    return Counter(
        slot
        for slot, _, label_set, leaving in standing
        if (selector.leaving or not leaving) and selector.matches(label_set, census.namespaces)
    )
