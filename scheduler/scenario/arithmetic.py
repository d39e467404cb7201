"""The pure arithmetic of a scenario: fair shares, dominant shares, the order of service, and who may take from whom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from scheduler.core.facts.books import taken_by
from scheduler.core.queues.demand import requests_of
from scheduler.core.queues.dominant import dominant_share
from scheduler.core.queues.ledger import Column, Ledger, ledger, left_over
from scheduler.core.queues.service import service_key
from scheduler.core.taking.permission import may_reclaim
from scheduler.model.cluster import Snapshot
from scheduler.model.policy import Policy
from scheduler.model.resources import GPU, Matrix, amount, quantity_text
from scheduler.scenario import fleet
from scheduler.scenario.difference import Difference
from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.scenario import Scenario

Flavored = Mapping[str, Mapping[str, str]]


def differences(scenario: Scenario, snapshot: Snapshot, policy: Policy, expect: ExpectForm) -> Iterator[Difference]:
    """Where the arithmetic is not what the scenario expects."""
    if not (expect.shares or expect.left or expect.dominant_shares or expect.order or expect.may_reclaim):
        return
    book = book_of(scenario, snapshot, policy)
    for name, amounts in expect.shares.items():
        fair = (int(each) for each in book.fair[book.row(name)])
        yield from _amounts(f"shares of {name}", amounts, dict(zip(book.columns, fair, strict=True)))
    if expect.left:
        yield from _amounts("left", {"": expect.left}, left_over(book))
    for name, wanted in expect.dominant_shares.items():
        found = math.ceil(dominant_share(book, book.row(name)))
        if found != amount("", wanted):
            yield Difference(f"dominantShares of {name}", wanted, str(found))
    if expect.order:
        order = sorted(
            expect.order, key=lambda name: service_key(book, book.row(name), _next_ask(snapshot, book, name))
        )
        if tuple(order) != expect.order:
            yield Difference("order", ", ".join(expect.order), ", ".join(order))
    for question in expect.may_reclaim:
        right = may_reclaim(
            book,
            book.row(question.by),
            book.row(question.victim),
            _vector(book, question.ask),
            preemptible=question.preemptible,
            leaf_only=policy.entitlement.guarantee_at == "leaf",
        )
        if (right is not None) != question.answer:
            asked = f"{question.by} takes from {question.victim}"
            yield Difference("mayReclaim", f"{asked}: {_yes(question.answer)}", right or "no")


def book_of(scenario: Scenario, snapshot: Snapshot, policy: Policy) -> Ledger:
    """The queue tree of a scenario in numbers: what queues state themselves, and what their gangs use and ask for."""
    use: dict[str, dict[Column, int]] = {}
    firm: dict[str, dict[Column, int]] = {}
    request: dict[str, dict[Column, int]] = {}
    for form in scenario.queues:
        use[form.name] = _in_units(form.use)
        firm[form.name] = _in_units(form.non_preemptible_use)
        request[form.name] = _in_units(form.request) or dict(use[form.name])
    for name, row, is_firm in _used(snapshot):
        for column, each in row.items():
            _add(use, name, column, each)
            _add(request, name, column, each)
            if is_firm:
                _add(firm, name, column, each)
    kinds = tuple(dict.fromkeys(snapshot.nodes.device_kinds()))
    for gang in snapshot.pending.all:
        for member in gang.members:
            for resource, each in requests_of(member.shape, kinds).items():
                _add(request, gang.queue, (resource, ""), each * member.count)
    factors = {form.history.factor for form in scenario.queues if form.history is not None}
    book = ledger(
        snapshot.queues,
        _total(scenario, snapshot),
        use,
        request,
        firm=firm,
        past={form.name: int(Fraction(form.past_use or 0) * 1000) for form in scenario.queues},
        history_factor=Fraction(str(max(factors, default=0))),
        zero_weight_last=policy.entitlement.zero_weight == "last",
    )
    return replace(book, fair=_stated_shares(scenario, book))


def _used(snapshot: Snapshot) -> Iterator[tuple[str, dict[Column, int], bool]]:
    """(queue, amounts, whether they are not preemptible); what leaves counts as gone."""
    for (name, flavor, is_firm), amounts in snapshot.use_by.items():
        pairs = {resource: int(each) for resource, each in zip(snapshot.resources, amounts, strict=True) if each}
        yield name, {(resource, each): value for resource, value in pairs.items() for each in {"", flavor}}, is_firm
    for gang in snapshot.running:
        shapes = {member.name: member.shape for member in gang.members}
        for pod in gang.pods:
            if pod.leaving:
                flavor = snapshot.nodes.flavor(snapshot.nodes.rows[pod.node])
                taken = taken_by(shapes[pod.member], pod.devices)
                row = {(resource, each): -value for resource, value in taken for each in {"", flavor}}
                yield gang.queue, row, not gang.preemptible


def _total(scenario: Scenario, snapshot: Snapshot) -> dict[Column, int]:
    """Per flavor; without nodes what is stated, else the sum of the guarantees at the top."""
    if not scenario.nodes:
        return _in_units(scenario.capacity if scenario.capacity is not None else fleet.guarantees(scenario.queues))
    usable = snapshot.nodes.ready & ~snapshot.nodes.unschedulable
    sums = snapshot.capacity[usable].sum(axis=0)
    return {(resource, ""): int(each) for resource, each in zip(snapshot.resources, sums, strict=True)}


def _stated_shares(scenario: Scenario, book: Ledger) -> Matrix:
    """A queue may state its fair share, where the predicate alone is asked for."""
    fair = book.fair.copy()
    for form in scenario.queues:
        for column, each in _in_units(form.fair_share).items():
            fair[book.row(form.name), book.columns.index(column)] = each
    return fair


def _next_ask(snapshot: Snapshot, book: Ledger, queue: str) -> Matrix:
    """What the next pending gang of a queue takes; one GPU where no gang says."""
    waiting = [gang for gang in snapshot.pending.all if gang.queue == queue]
    if not waiting:
        return _vector(book, {"": {GPU: "1"}})
    ask = np.zeros(len(book.columns), dtype=np.int64)
    kinds = tuple(dict.fromkeys(snapshot.nodes.device_kinds()))
    for member in waiting[0].members:
        for resource, each in requests_of(member.shape, kinds).items():
            if (resource, "") in book.columns:
                ask[book.columns.index((resource, ""))] += each * member.count
    return ask


def _vector(book: Ledger, amounts: Flavored) -> Matrix:
    vector = np.zeros(len(book.columns), dtype=np.int64)
    for column, each in _in_units(amounts).items():
        if column in book.columns:
            vector[book.columns.index(column)] = each
    return vector


def _in_units(amounts: Flavored) -> dict[Column, int]:
    return {
        (resource, flavor): amount(resource, each) for flavor, row in amounts.items() for resource, each in row.items()
    }


def _add(rows: dict[str, dict[Column, int]], queue: str, column: Column, value: int) -> None:
    row = rows.setdefault(queue, {})
    row[column] = row.get(column, 0) + value


def _amounts(subject: str, expected: Flavored, found: Mapping[Column, int]) -> Iterator[Difference]:
    for column, wanted in _in_units(expected).items():
        if found.get(column, 0) != wanted:
            resource = column[0]
            yield Difference(subject, quantity_text(resource, wanted), quantity_text(resource, found.get(column, 0)))


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
