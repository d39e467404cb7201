"""Who runs where, remembered from one decision to the next."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from scheduler.core.queues.entitled import Entitlements
from scheduler.core.taking.picture import Picture
from scheduler.core.taking.plan import Giveaway
from scheduler.core.taking.roster import Roster, Rosters
from scheduler.model.cluster import Snapshot
from scheduler.model.policy import Policy
from tests.bench.taking import World, snapshot

WORLD = World(running=(1, 2, 1), gangs=1, pods=2, gpus=8, kai_seconds=None)


def roster(rosters: Rosters, picture: Snapshot) -> Roster:
    return rosters.of(picture, Entitlements(Policy()).of(picture).book)


def test_as_long_as_the_same_work_runs_its_columns_are_made_once() -> None:
    rosters, picture = Rosters(), snapshot(WORLD, 4)
    first = roster(rosters, picture)
    assert roster(rosters, replace(picture, version=2)).room is first.room
    fewer = roster(rosters, replace(picture, running=picture.running[1:]))
    assert (len(first), len(fewer)) == (12, 11)


def test_what_one_decision_took_still_stands_in_the_next() -> None:
    rosters, picture = Rosters(), snapshot(WORLD, 4)
    first = roster(rosters, picture)
    first.leaving[:] = first.claimed[:] = True
    first.promise(np.ones_like(first.free))
    second = roster(rosters, picture)
    assert not second.leaving.any()
    assert not second.claimed.any()
    assert not second.covered.any()
    assert (second.free == picture.free).all()


def test_what_is_free_is_always_that_of_the_picture_at_hand() -> None:
    rosters, picture = Rosters(), snapshot(WORLD, 4)
    roster(rosters, picture)
    assert (roster(rosters, replace(picture, free=picture.free + 1)).free == picture.free + 1).all()


def test_who_stays_after_all_is_used_again_by_its_queue() -> None:
    """Limits are counted by what queues use of each flavor, entitlements by the ledger."""
    world = snapshot(WORLD, 4)
    picture = Picture(world, Entitlements(Policy()).of(world).book, Rosters())
    use, use_by = picture.book.use.copy(), {key: total.copy() for key, total in picture.use_by.items()}
    gone = np.zeros(len(picture.roster), dtype=np.bool_)
    gone[:2] = True
    taker = msgspec.structs.replace(world.pending.put_together().gangs[0], members=())
    picture.note(taker, (), Giveaway(gone, np.zeros_like(gone), {}))
    assert not (picture.book.use == use).all()
    picture.stays(np.array([0]))
    picture.stays(np.array([1]))
    assert (picture.book.use == use).all()
    assert all((picture.use_by[key] == total).all() for key, total in use_by.items())
