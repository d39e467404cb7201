"""Who runs where, remembered from one decision to the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scheduler.core.queues.entitled import Entitlements
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
