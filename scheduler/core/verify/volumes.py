"""The volumes of a decision checked against the newest facts, by plain arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from scheduler.core.facts.store import Store
from scheduler.core.verify.admission import Admission
from scheduler.model.plan import Decision, Refusal
from scheduler.model.shape import VolumeAsk
from scheduler.model.work import Gang


def volume_refusal(store: Store, admission: Admission, gang: Gang, decision: Decision) -> Refusal | None:
    """Why the volumes of a decision no longer go where it says; None when they do, and for work without volumes.

    Pods of earlier decisions count where they were decided to go. Which volume serves which claim is chosen later, so
    only that every pod finds one by itself is looked at here.
    """
    shapes = {member.name: member.shape for member in gang.members if member.shape.volumes is not None}
    if not shapes:
        return None
    uses: Counter[str] = Counter()
    attached: dict[str, Counter[str]] = {}
    shared: dict[str, set[tuple[str, str]]] = {}
    for place in decision.places:
        asked = shapes[place.member].volumes if place.member in shapes else None
        if asked is None:
            continue
        for each in place.nodes:
            if not admission.admits(each.node, shapes[place.member]):
                return Refusal("volumes", "Changed", where=each.node)
            uses.update(dict.fromkeys(asked.once, each.count))
            there = shared.setdefault(each.node, set(store.volumes.facts_on(each.node).by_pods[each.node]))
            _count(asked, each.count, attached.setdefault(each.node, Counter()), there)
    contested = next((key for key, count in sorted(uses.items()) if count > 1), "")
    if contested:
        return Refusal("volumes", "ClaimInUse", 1, uses[contested], where=contested)
    return _too_many(store, attached)


def _count(asked: VolumeAsk, pods: int, attached: Counter[str], there: set[tuple[str, str]]) -> None:
    """Distinct new volumes per driver: those of one pod only for each pod, shared ones where they are not there yet."""
    own = Counter(dict(asked.attach))
    own.subtract(driver for driver, _ in asked.shared)
    for driver, count in own.items():
        attached[driver] += count * pods
    for handle in asked.shared:
        if handle not in there:
            there.add(handle)
            attached[handle[0]] += 1


def _too_many(store: Store, attached: Mapping[str, Counter[str]]) -> Refusal | None:
    for node, counts in attached.items():
        facts = store.volumes.facts_on(node)
        csi_node = facts.csi_nodes.get(node)
        limits = {} if csi_node is None else dict(csi_node.drivers)
        for driver, count in counts.items():
            limit = limits.get(driver)
            used = facts.attached.get(node, {}).get(driver, 0)
            if limit is not None and count > 0 and used + count > limit:
                return Refusal("volumes", "TooMany", count, max(0, limit - used), driver, node)
    return None
