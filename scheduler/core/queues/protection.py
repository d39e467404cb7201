"""A queue that is deleted stays until no work holds places in it: otherwise what runs there would count nowhere.

It is kept by a finalizer, put on when work begins to hold places in the queue or below it. A queue that never had any
goes at once, also while no scheduler runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from scheduler.core.facts.holdings import Holdings
from scheduler.core.queues.rules import line_of
from scheduler.model.plan import Refusal
from scheduler.model.queue import QUEUE_FINALIZER, Queue


def gangs_below(queues: Mapping[str, Queue], holdings: Holdings) -> Counter[str]:
    """How many gangs (a single pod is one) hold places in each queue and below it."""
    found: Counter[str] = Counter()
    for leaf in holdings.queues():
        for name in line_of(queues, leaf):
            found[name] += len(holdings.of(leaf))
    return found


def finalizers_of(queue: Queue, gangs: int) -> tuple[str, ...] | None:
    """What its finalizers should be, those of others kept; None where they are right. The server takes no new ones once
    a queue is being deleted."""
    if gangs and not queue.held and not queue.leaving:
        return (*queue.finalizers, QUEUE_FINALIZER)
    if not gangs and queue.held and queue.leaving:
        return tuple(each for each in queue.finalizers if each != QUEUE_FINALIZER)
    return None


def why_it_stays(queue: Queue, gangs: int) -> Refusal | None:
    """What a queue that is being deleted says of itself."""
    return Refusal("queue", "Terminating", needed=gangs, where=queue.name) if queue.leaving else None
