"""The order computed level by level is the one that picking work by work gives, on random trees."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from scheduler.core.queues.backlog import Backlog
from scheduler.core.queues.demand import LeafDemand
from scheduler.core.queues.entitled import Entitled
from scheduler.core.queues.ledger import Ledger, ledger
from scheduler.core.queues.order import BEYOND, INSIDE, order_of_service
from scheduler.core.queues.service import Service
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import CPU, GPU, Matrix
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, Member, single_key

COLUMNS = ((CPU, ""), (GPU, ""))
SHAPE = Shape(((CPU, 1), (GPU, 1)))


@st.composite
def trees(draw: st.DrawFn) -> tuple[Ledger, dict[str, list[tuple[int, int]]]]:
    """A ledger of up to nine queues on up to three levels, and what waits in its leaves: (CPU, GPU) per gang."""
    amounts = st.integers(0, 6)
    count = draw(st.integers(1, 9))
    parents = [draw(st.integers(-1, min(row - 1, 3))) for row in range(count)]
    queues = {}
    for row in range(count):
        quotas = [Quota(name, guaranteed=draw(amounts)) for name, _ in COLUMNS if draw(st.booleans())]
        queues[f"q{row}"] = Queue(
            f"q{row}",
            parent="" if parents[row] < 0 else f"q{parents[row]}",
            quotas=tuple(quotas),
            weight=draw(st.integers(0, 2)),
            priority=draw(st.integers(0, 1)),
            created_seconds=float(row),
        )
    leaves = [f"q{row}" for row in range(count) if row not in parents]
    waiting = {name: draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=4)) for name in leaves}
    use = {name: {column: draw(amounts) for column in COLUMNS} for name in leaves}
    request = {
        name: {
            column: use[name][column] + sum(ask[index] for ask in waiting[name]) for index, column in enumerate(COLUMNS)
        }
        for name in leaves
    }
    return ledger(queues, dict.fromkeys(COLUMNS, 30), use, request), waiting


def demand(queue: str, asks: list[tuple[int, int]]) -> LeafDemand:
    members = (Member("pod", SHAPE, 1, 1),)
    gangs = tuple(
        Gang(single_key(f"{queue}-{number}"), f"{queue}-{number}", queue, 0, float(number), members, (Branch("", -1),))
        for number in range(len(asks))
    )
    least = np.array(asks, dtype=np.int64).reshape(len(asks), 2)
    return LeafDemand(Backlog(gangs, ()), least, least.sum(axis=0))


def endless() -> Matrix:
    return np.full(2, 1000, dtype=np.int64)


@settings(deadline=None, max_examples=300)
@given(trees())
def test_it_is_the_order_of_picking_one_after_the_other(world: tuple[Ledger, dict[str, list[tuple[int, int]]]]) -> None:
    book, waiting = world
    picked = Service(
        book,
        {
            name: [(f"{name}-{number}", np.array(ask, dtype=np.int64)) for number, ask in enumerate(asks)]
            for name, asks in waiting.items()
        },
    )
    demands = {name: demand(name, asks) for name, asks in waiting.items() if asks}
    order = order_of_service(Entitled(book, demands), endless(), "dominant-share") if demands else None
    assert [order.gangs[turn].name for turn in order.turns] == list(picked) if order else not any(waiting.values())


@settings(deadline=None)
@given(trees())
def test_work_inside_is_together_within_every_guarantee(
    world: tuple[Ledger, dict[str, list[tuple[int, int]]]],
) -> None:
    """What is said to be inside, if all of it is served, takes no queue above its guarantee, nor leaves it there."""
    book, waiting = world
    demands = {name: demand(name, asks) for name, asks in waiting.items() if asks}
    if len(demands) < 2:
        return
    order = order_of_service(Entitled(book, demands), endless(), "dominant-share")
    asks = {f"{name}-{number}": ask for name, own in waiting.items() for number, ask in enumerate(own)}
    taken = book.use.copy()
    for turn in order.turns:
        gang, band = order.gangs[turn], order.bands[turn]
        ask = np.array(asks[gang.name], dtype=np.int64)
        for row in book.line(book.row(gang.queue)):
            taken[row] += ask
        if band == INSIDE and any(  # somebody else asks for it, too
            ask[column] and other[column]
            for column in range(2)
            for name, own in waiting.items()
            if name != gang.queue
            for other in own
        ):
            for row in book.line(book.row(gang.queue)):
                assert (taken[row] <= book.guaranteed[row])[ask > 0].all()


def test_bands_tell_how_far_each_gang_takes_its_queue() -> None:
    """Of 8: a is guaranteed 2 and asks for 6 ones, b for 4 of which nothing is guaranteed: fair are 5 and 3."""
    queues = {"a": Queue("a", quotas=(Quota(CPU, guaranteed=2),)), "b": Queue("b", created_seconds=1.0)}
    requests = {"a": {(CPU, ""): 6}, "b": {(CPU, ""): 4}}
    book = ledger(queues, {(CPU, ""): 8, (GPU, ""): 0}, {}, requests)
    demands = {"a": demand("a", [(1, 0)] * 6), "b": demand("b", [(1, 0)] * 4)}
    order = order_of_service(Entitled(book, demands), np.array([8, 0], dtype=np.int64), "dominant-share")
    found = {gang.name: int(band) for gang, band in zip(order.gangs, order.bands, strict=True)}
    assert [found[f"a-{number}"] for number in range(6)] == [INSIDE] * 2 + [1] * 3 + [BEYOND]
    assert [found[f"b-{number}"] for number in range(4)] == [1] * 3 + [BEYOND]
    assert order.expected[order.turns].tolist() == [True] * 8 + [False] * 2
