"""Pouring pods that look at other pods: node by node, since every pod may change where the next one may go."""

from __future__ import annotations

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.solver.greedy.choose import choose_nodes, tightest_domains
from scheduler.solver.greedy.node_scores import NodeScore
from scheduler.solver.greedy.stock import Stock
from scheduler.solver.greedy.tally import GangTally, Most
from scheduler.solver.problem import MemberAsk, Problem
from scheduler.solver.scarcity import by_scarcity


class RelatedChoice:
    """Chooses places of one problem for members that are in relations."""

    def __init__(self, problem: Problem, score: NodeScore) -> None:
        self._problem = problem
        self._score = score
        self._spreads = problem.node_score == "spread"
        self._scarcest = by_scarcity(problem.resources)[0]

    def open_classes(
        self, tally: GangTally, stock: Stock, index: int, member: MemberAsk, classes: Mask, count: int
    ) -> tuple[Mask, Most]:
        """The classes among the given ones that a member may use now, and [classes] how many pods each of them takes.
        Where its next pod begins a domain, that domain is chosen first."""
        while (opening := tally.opening(index)) is not None:
            usable = classes & (tally.room(index) > 0)
            domain = self._domain_to_begin(stock, member, usable, opening.relation.level, count)
            if domain is None:
                return np.zeros_like(classes), tally.room(index)
            tally.begin(opening.relation, domain)
        room = tally.room(index)
        return classes & (room > 0), room

    def place(
        self, stock: Stock, member: MemberAsk, classes: Mask, room: Most, count: int, costs: Most | None
    ) -> tuple[int, int] | None:
        """(slot, pods) for the best node of these classes, one of the lowest ``costs`` [C]; None when none of them
        holds one pod."""
        chosen = choose_nodes(stock, stock.live(classes), member, 1, self._score, self._spreads, costs)
        if not chosen:
            return None
        slot = chosen[0][0]
        most = min(count, int(room[stock.node_class[slot]]))
        return slot, 1 if self._spreads else min(most, int(stock.fits(np.array([slot]), member)[0]))

    def _domain_to_begin(self, stock: Stock, member: MemberAsk, classes: Mask, level: int, count: int) -> int | None:
        """The tightest domain that takes all of a member, else the roomiest."""
        slots = stock.live(classes)
        codes = self._problem.class_domain[stock.node_class[slots], level] + 1
        room = np.bincount(codes, weights=stock.fits(slots, member) * stock.size[slots], minlength=1)
        free = np.bincount(codes, weights=stock.free[self._scarcest, slots] * stock.size[slots], minlength=1)
        whole = tightest_domains([(count, room, True)], free, 0, roomiest=self._spreads)
        some = whole or tightest_domains([(1, room, True)], free, 0, roomiest=True)
        return some[0] if some else None
