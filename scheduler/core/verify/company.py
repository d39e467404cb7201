"""Whether pods may stand beside the pods that stand now: the rules between pods by plain counting, for last checks.

It looks at nothing but the store, and shares no counting with greedy or the CP-SAT model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from scheduler.core.facts.store import Store
from scheduler.model.plan import Refusal
from scheduler.model.relations import Affinity, AntiAffinity, HostPort, LabelSet, PodSelector, Relations, Spread
from scheduler.model.shape import Shape
from scheduler.solver.asks.spread_domains import counted_nodes

NOTHING = Relations(LabelSet(""))


@dataclass(frozen=True)
class Guest:
    """So many equal pods that are to come to a node; ``label_set`` is None where nobody knows their labels yet."""

    node: str
    count: int
    shape: Shape
    label_set: LabelSet | None

    @property
    def asks(self) -> Relations:
        return self.shape.relations or NOTHING


Guests = tuple[Guest, ...]


def concerned(store: Store, shapes: Iterable[Shape]) -> bool:
    """Whether there is anything to check at all: false for most pods."""
    return store.census.has_carriers or any(shape.relations is not None for shape in shapes)


def refusal_of_guests(store: Store, guests: Guests) -> Refusal | None:
    """Why these pods cannot come all together; None when they can. Their nodes exist."""
    return (
        _ports_taken(store, guests)
        or _kept_away(store, guests)
        or next(filter(None, (_too_near(store, term, guests) for term in _terms(guests))), None)
        or next(filter(None, (_uneven(store, *each, guests) for each in _spreads(guests))), None)
        or next(filter(None, (_alone(store, affinity, guests) for affinity in _affinities(guests))), None)
    )


def still_welcome(store: Store, guest: Guest) -> bool:
    """Whether the reserved place of a pod is still good; its own reservation is among what stands."""
    for port, holders in store.census.ports_on(store.slot_of(guest.node)).items():
        itself = int(port in guest.asks.ports)
        if holders > itself and any(port.conflicts(own) for own in guest.asks.ports):
            return False
    for term in guest.asks.anti_affinity:
        around = _by_domain(store, store.census.standing(term.selector), term.topology_key)
        if around[_domain(store, guest.node, term.topology_key)] > int(_matches(store, term.selector, guest)):
            return False
    for term in store.census.terms_against(guest.label_set) if guest.label_set is not None else ():
        around = _by_domain(store, store.census.holders(term), term.topology_key)
        if around[_domain(store, guest.node, term.topology_key)] > int(term in guest.asks.anti_affinity):
            return False
    return True


# --- one rule after the other -----------------------------------------------------------------------------------------


def _ports_taken(store: Store, guests: Guests) -> Refusal | None:
    ports: dict[str, Counter[HostPort]] = {}
    for guest in guests:
        if guest.asks.ports:
            here = ports.setdefault(guest.node, store.census.ports_on(store.slot_of(guest.node)))
            for port in guest.asks.ports:
                here[port] += guest.count
    for guest in guests:
        for own in guest.asks.ports:
            if sum(pods for port, pods in ports[guest.node].items() if port.conflicts(own)) > 1:
                return Refusal("host-ports", "Taken", where=f"{guest.node} {own.port}/{own.protocol}")
    return None


def _kept_away(store: Store, guests: Guests) -> Refusal | None:
    """By pods that stand; what keeps guests apart from one another is found at those who ask for it."""
    around: dict[AntiAffinity, Counter[str | None]] = {}
    for guest in guests if store.census.has_carriers else ():
        for term in store.census.terms_against(guest.label_set) if guest.label_set is not None else ():
            if term not in around:
                around[term] = _by_domain(store, store.census.holders(term), term.topology_key)
            if around[term][_domain(store, guest.node, term.topology_key)]:
                return Refusal("pod-anti-affinity", "Near", where=guest.node)
    return None


def _too_near(store: Store, term: AntiAffinity, guests: Guests) -> Refusal | None:
    around = _by_domain(store, store.census.standing(term.selector), term.topology_key)
    for guest in guests:
        if _matches(store, term.selector, guest):
            around[_domain(store, guest.node, term.topology_key)] += guest.count
    around[None] = 0
    for guest in guests:
        if term in guest.asks.anti_affinity:
            domain = _domain(store, guest.node, term.topology_key)
            if around[domain] > int(_matches(store, term.selector, guest)):
                return Refusal("pod-anti-affinity", "Near", where=guest.node)
    return None


def _uneven(store: Store, shape: Shape, spread: Spread, guests: Guests) -> Refusal | None:
    """The domains of one constraint with all guests in them, for those guests that ask for it."""
    table = store.table()
    counted = counted_nodes(shape, spread, table)
    codes, values = table.label_column(spread.topology_key)
    domains = Counter({values[code]: 0 for code in np.unique(codes[counted]).tolist()})
    pods = [(store.node_of_slot(slot), count) for slot, count in store.census.standing(spread.selector).items()]
    pods += [(guest.node, guest.count) for guest in guests if _matches(store, spread.selector, guest)]
    for node, count in pods:
        row = table.rows.get(node)
        if row is not None and counted[row]:
            domains[values[codes[row]]] += count
    floor = min(domains.values(), default=0) if len(domains) >= max(1, spread.min_domains) else 0
    for guest in guests:
        if guest.shape == shape:
            domain = _domain(store, guest.node, spread.topology_key)
            if domain is None:
                return Refusal("topology-spread", "NoDomain", where=guest.node)
            if domains[domain] - floor > spread.max_skew:
                return Refusal("topology-spread", "Skew", spread.max_skew, domains[domain] - floor, where=domain)
    return None


def _alone(store: Store, affinity: Affinity, guests: Guests) -> Refusal | None:
    """Every key of every carrier has a match around; at most one domain begins with a carrier, if none stands."""
    standing = store.census.standing(affinity.selector)
    around = [_by_domain(store, standing, key) for key in affinity.topology_keys]
    carriers = [guest for guest in guests if guest.asks.affinity == affinity]
    founders = [guest for guest in carriers if _matches(store, affinity.selector, guest)]
    others = [
        guest for guest in guests if guest.asks.affinity != affinity and _matches(store, affinity.selector, guest)
    ]
    for key, pods in zip(affinity.topology_keys, around, strict=True):
        wanted = {_domain(store, guest.node, key) for guest in carriers}
        new = wanted - set(pods) - {_domain(store, guest.node, key) for guest in others}
        founded = {_domain(store, guest.node, key) for guest in founders}
        if None in wanted or (new and (len(new) > 1 or any(around) or not new <= founded)):
            return Refusal("pod-affinity", "Alone", where=key)
    return None


# --- counting ---------------------------------------------------------------------------------------------------------


def _terms(guests: Guests) -> tuple[AntiAffinity, ...]:
    return tuple(dict.fromkeys(term for guest in guests for term in guest.asks.anti_affinity))


def _spreads(guests: Guests) -> tuple[tuple[Shape, Spread], ...]:
    found = ((guest.shape, spread) for guest in guests for spread in guest.asks.spread if spread.counts)
    return tuple(dict.fromkeys(found))


def _affinities(guests: Guests) -> tuple[Affinity, ...]:
    found = (guest.asks.affinity for guest in guests)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _matches(store: Store, selector: PodSelector, guest: Guest) -> bool:
    return guest.label_set is not None and selector.matches(guest.label_set, store.census.namespaces)


def _domain(store: Store, node: str, key: str) -> str | None:
    return store.nodes[node].labels.get(key)


def _by_domain(store: Store, pods: Mapping[int, int], key: str) -> Counter[str | None]:
    """Pods by slot added up per domain; pods on nodes without the key, or that are gone, count nowhere."""
    found: Counter[str | None] = Counter()
    for slot, count in pods.items():
        node = store.nodes.get(store.node_of_slot(slot))
        domain = None if node is None else node.labels.get(key)
        if domain is not None:
            found[domain] += count
    return found
