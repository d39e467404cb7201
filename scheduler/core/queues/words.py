"""What is said about queues in their status: whether they can be used, what they use, and what they are entitled to.

At most one write per queue and second, only where something changed, and no more than a few at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
import numpy as np

from scheduler.core.explain import sentence
from scheduler.core.facts.store import Store, newer
from scheduler.core.queues.backlog import Backlogs
from scheduler.core.queues.divide import BOUNDLESS, divide_columns
from scheduler.core.queues.dominant import NEVER, dominant_share
from scheduler.core.queues.entitled import Entitlements
from scheduler.core.queues.history import History
from scheduler.core.queues.ledger import Ledger
from scheduler.core.queues.protection import finalizers_of, gangs_below, why_it_stays
from scheduler.core.queues.shares import admission_trouble, parents_in, tree_troubles
from scheduler.model.bundle import Pending
from scheduler.model.effects import Effect, ProtectQueue, WriteQueueStatus
from scheduler.model.plan import Refusal
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, QueueLine, QueueReport
from scheduler.model.resources import Matrix
from scheduler.model.work import Condition

PAUSE_SECONDS = 1.0
RETRY_SECONDS = 10.0
PROTECTION_RETRY_SECONDS = 60.0
WRITES_AT_ONCE = 50
PAST_STEP = 0.05
"""An average of the past is written again when it moved by so much of itself, or something else is written."""


class QueueWords:
    """Compares what should be said with what stands on the server, or was said last."""

    def __init__(self, store: Store, policy: Policy) -> None:
        self._store = store
        self._backlogs = Backlogs()
        self._entitlements = Entitlements(policy)
        self.history = History()
        self._said: dict[str, tuple[tuple[str, str], QueueReport]] = {}
        self._on_its_way: set[str] = set()
        self._written: dict[str, str] = {}
        """The version of each queue that our last write made: the watch may show it later."""
        self._protect_at_seconds: dict[str, float] = {}
        """When to ask again to protect a queue, where the server refused it."""
        self._next_at_seconds = 0.0
        self._seen_version = -1

    def forget(self, name: str) -> None:
        """The queue is gone, or what was said of it was lost."""
        self._said.pop(name, None)
        self._written.pop(name, None)
        self._on_its_way.discard(name)
        self._seen_version = -1

    def stir(self) -> None:
        """The tree changed."""
        self._seen_version = -1

    def forget_all(self, now_seconds: float) -> None:
        """We begin to lead. Nothing is said before every gang has been looked at: who holds places is not known yet."""
        self._said.clear()
        self._written.clear()
        self._protect_at_seconds.clear()
        self._on_its_way.clear()
        self._next_at_seconds, self._seen_version = now_seconds + PAUSE_SECONDS, -1

    def done(self, effect: WriteQueueStatus | ProtectQueue, version: str, now_seconds: float) -> None:
        """A write was made. Nobody knows how long it was on its way: the pause begins when its answer is here."""
        self._next_at_seconds = max(self._next_at_seconds, now_seconds + PAUSE_SECONDS)
        self._on_its_way.discard(effect.name)
        self._written[effect.name] = version
        queue = self._store.queues.get(effect.name)
        if isinstance(effect, ProtectQueue) and queue is not None:
            self._store.queues[effect.name] = msgspec.structs.replace(queue, finalizers=effect.finalizers)

    def failed(self, effect: WriteQueueStatus | ProtectQueue, now_seconds: float, status: int) -> None:
        """A write was refused (with an HTTP status) or lost (0). After a conflict the queue has a newer version, which
        the watch shows. Where we may not protect queues, what is to be said of them is said all the same."""
        self.forget(effect.name)
        if isinstance(effect, ProtectQueue) and status in (403, 422):
            self._protect_at_seconds[effect.name] = now_seconds + PROTECTION_RETRY_SECONDS
        elif status != 409:
            self._next_at_seconds = now_seconds + RETRY_SECONDS

    def due(self, pending: Callable[[], Pending], now_seconds: float) -> list[Effect]:
        """The writes that are due now; ``pending`` is asked only when some may be."""
        store = self._store
        keeps_history = any(queue.history is not None for queue in store.queues.values())
        if now_seconds < self._next_at_seconds or (store.version == self._seen_version and not keeps_history):
            return []
        self._next_at_seconds = now_seconds + PAUSE_SECONDS
        names = tuple(store.columns.names)
        if keeps_history:
            self.history.advance(store.use_by_flavor(), store.queues, names, now_seconds)
        troubles = tree_troubles(store.queues)
        reports = self._reports(pending(), troubles)
        holding = gangs_below(store.queues, store.holdings)
        effects: list[Effect] = []
        unsaid = False
        for name, queue in store.queues.items():
            trouble = why_it_stays(queue, holding[name]) or troubles.get(name)
            word = self._of_flavors(queue) if trouble is None else (trouble.code, sentence(trouble))
            report = reports.get(name, QueueReport())
            stands = self._said.get(name) or (_word(queue), queue.report or QueueReport())
            finalizers = None
            if now_seconds >= self._protect_at_seconds.get(name, 0.0):
                finalizers = finalizers_of(queue, holding[name])
            if finalizers is None and stands[0] == word and _same(stands[1], report):
                continue
            if len(effects) == WRITES_AT_ONCE:
                return effects
            if name in self._on_its_way:  # the next one would be refused as older than what this one makes
                unsaid = True
                continue
            self._on_its_way.add(name)
            version = newer(queue.version, self._written.get(name, queue.version))
            if finalizers is not None:  # what is to be said follows when it is done
                unsaid = True
                effects.append(ProtectQueue(name, version, finalizers))
                continue
            self._said[name] = (word, report)
            condition = Condition("Ready", "True" if trouble is None else "False", *word, now_seconds)
            effects.append(WriteQueueStatus(name, version, queue.generation, (condition,), report))
        self._seen_version = -1 if unsaid else store.version
        return effects

    def _of_flavors(self, queue: Queue) -> tuple[str, str]:
        """A line in a flavor that does not exist counts no node; the queue can be used all the same."""
        unknown = {quota.flavor for quota in queue.quotas} - self._store.flavors.keys() - {""}
        if not unknown:
            return "Valid", ""
        known = ", ".join(sorted(self._store.flavors)) or "none"
        facts = Refusal("queue", "UnknownFlavor", where=f"{', '.join(sorted(unknown))} (there are: {known})")
        return facts.code, sentence(facts)

    def _reports(self, pending: Pending, troubles: Mapping[str, Refusal]) -> Mapping[str, QueueReport]:
        picture = replace(self._store.snapshot(Pending(())), past_by=self.history.past())
        queues = self._store.queues
        known = Pending(
            tuple(gang for gang in pending.gangs if gang.queue in queues),
            tuple(bundle for bundle in pending.bundles if bundle.first.queue in queues),
        )
        book = self._entitlements.of(picture, self._backlogs.of(_admitted(known, queues, troubles))).book
        counts = np.zeros((len(book.names), 4), dtype=np.int64)
        asks = [(gang.queue, 1, gang.pods) for gang in known.gangs]
        asks += [(bundle.first.queue, len(bundle.pods), len(bundle.pods)) for bundle in known.bundles]
        for name, gangs, pods in asks:
            if name in book.tree.rows:
                counts[book.row(name), :2] += (gangs, pods)
        for row, name in enumerate(book.names):
            counts[row, 2:] += (len(self._store.holdings.of(name)), self._store.holdings.pods(name))
        counts = book.tree.summed(counts)
        lent = _lent(book)
        past = book.tree.summed(book.past)
        return {
            name: QueueReport(
                lines=tuple(
                    QueueLine(
                        resource,
                        flavor,
                        used=int(book.use[row, column]),
                        firm_used=int(book.firm[row, column]),
                        fair=int(book.fair[row, column]),
                        borrowed=max(0, int(book.use[row, column] - book.guaranteed[row, column])),
                        lent=int(lent[row, column]),
                        past=int(past[row, column]),
                        guaranteed=int(book.guaranteed[row, column]),
                        limit=None if book.limit[row, column] >= BOUNDLESS else int(book.limit[row, column]),
                    )
                    for column, (resource, flavor) in enumerate(book.columns)
                ),
                dominant_permille=_permille(book, row),
                pending_gangs=int(counts[row, 0]),
                pending_pods=int(counts[row, 1]),
                running_gangs=int(counts[row, 2]),
                running_pods=int(counts[row, 3]),
            )
            for row, name in enumerate(book.names)
        }


def _admitted(pending: Pending, queues: Mapping[str, Queue], troubles: Mapping[str, Refusal]) -> Pending:
    """Of what waits, what its queue lets in: only that is entitled to anything, as in a decision."""
    inner = parents_in(queues)
    names = {gang.queue for gang in pending.gangs} | {bundle.first.queue for bundle in pending.bundles}
    closed = {name for name in names if admission_trouble(queues, troubles, name, inner) is not None}
    if not closed:
        return pending
    return Pending(
        tuple(gang for gang in pending.gangs if gang.queue not in closed),
        tuple(bundle for bundle in pending.bundles if bundle.first.queue not in closed),
    )


def _word(queue: Queue) -> tuple[str, str]:
    return next(((each.reason, each.message) for each in queue.conditions if each.type == "Ready"), ("", ""))


def _same(said: QueueReport, now: QueueReport) -> bool:
    """Whether nothing is worth a write: averages of the past may drift a little."""
    if _without_past(said) != _without_past(now):
        return False
    return all(
        abs(before.past - after.past) <= PAST_STEP * max(before.past, after.past)
        for before, after in zip(said.lines, now.lines, strict=True)
    )


def _without_past(report: QueueReport) -> QueueReport:
    lines = tuple(msgspec.structs.replace(line, past=0) for line in report.lines)
    return msgspec.structs.replace(report, lines=lines)


def _permille(book: Ledger, row: int) -> int:
    share = dominant_share(book, row)
    return BOUNDLESS if share >= NEVER else math.ceil(share)


def _lent(book: Ledger) -> Matrix:
    """[queues x columns] what of each guarantee siblings use: what they hold together above their guarantees and above
    what nobody is guaranteed, spread over the guarantees that are idle."""
    lent = np.zeros_like(book.use)
    above = np.maximum(book.use - book.guaranteed, 0)
    idle = np.minimum(np.maximum(book.guaranteed - book.use, 0), np.minimum(book.lendable, BOUNDLESS))
    families: dict[int, list[int]] = {}
    for row, parent in enumerate(book.parents):
        families.setdefault(parent, []).append(row)
    for parent, rows in families.items():
        for column in np.flatnonzero(above[rows].any(axis=0) & idle[rows].any(axis=0)).tolist():
            total = book.total[column] if parent < 0 else int(book.fair[parent, column])
            spare = max(0, total - int(book.guaranteed[rows, column].sum()))
            amount = max(0, int(above[rows, column].sum()) - spare)
            wants = idle[rows, column].tolist()
            lent[rows, column] = divide_columns(amount, [0] * len(rows), wants, wants, [0] * len(rows))
    return lent
