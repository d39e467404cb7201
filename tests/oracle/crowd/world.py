"""Many who take at once, of unlike kinds, on small full fleets: the worlds, and what is said of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random

from scheduler.core.decide import decide
from scheduler.core.drive import run
from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.scenario.aftermath import name_of
from scheduler.scenario.again import evicted, needless, unsettled
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.difference import Difference
from scheduler.scenario.load import load
from scheduler.scenario.promises import broken
from scheduler.scenario.state import gang_of_pod, world_of
from scheduler.solver.improve import solve

BUDGET = SolverBudget(wall_seconds=60.0, work=0.3)
SOMEBODY_NEW = "a second decision evicts somebody new"
IN_TURN = "work that was evicted takes from others in turn"
NOBODY_NEW = "a second decision places more, evicting nobody new"
NEEDLESS = "a victim could have stayed"
VICTIMS = "worlds with victims"


def drawn(seed: int) -> str:
    """A world of up to 32 GPUs: one or two queues with a child each, some of what runs under a budget or firm, and up
    to five asks, each several single pods, a gang, or one that is elastic."""
    chance = Random(seed)
    nodes, size = chance.randint(2, 4), chance.choice([4, 8])
    queues = [f"- {{name: {name}, {_quota(chance, nodes * size)}}}" for name in ("a", "b")]
    queues.append(f"- {{name: below, parent: b, {_quota(chance, nodes * size)}}}")
    free = [size] * nodes
    gangs: list[str] = []
    while any(free):
        gpus = min(chance.choice([1, 1, 2]), max(free))
        places = [node for node in range(nodes) if free[node] >= gpus]
        on = [chance.choice(places)]
        free[on[0]] -= gpus
        for _ in range(chance.choice([0, 0, 1, 2, 3])):
            places = [node for node in range(nodes) if free[node] >= gpus]
            if places:
                on.append(chance.choice(places))
                free[on[-1]] -= gpus
        facts = f"gpu: {gpus}, priority: {chance.choice([0, 0, 1, 2])}, started: {-chance.randint(0, 1000)}"
        facts += f", min: {chance.randint(1, len(on))}, preemptible: {'true' if chance.random() < 0.9 else 'false'}"
        spots = ", ".join(f"n{node}: {on.count(node)}" for node in sorted(set(on)))
        queue = chance.choice(["a", "below"])
        gangs.append(f"- {{name: run{len(gangs)}, queue: {queue}, pods: {len(on)}, {facts}, on: {{{spots}}}}}")
    guarded = [chance.randrange(len(gangs)) for _ in range(2)]
    for number in range(chance.randint(2, 5)):
        facts = f"queue: {chance.choice(['a', 'below'])}, gpu: {chance.choice([1, 2, 4])}"
        facts += f", priority: {chance.randint(0, 3)}, preemptible: {'true' if chance.random() < 0.7 else 'false'}"
        pods = chance.randint(1, 5)
        if chance.random() < 0.4:
            gangs.append(f'- {{name: "w{number}x[0-{pods}]", {facts}}}')
        else:
            gangs.append(f"- {{name: w{number}, pods: {pods}, min: {chance.choice([1, pods])}, {facts}}}")
    return "\n".join(
        [
            f"id: unit/takers-{seed}\nnodes: {{'n[0-{nodes - 1}]': {size}}}\nqueues:",
            *queues,
            "gangs:",
            *gangs,
            f"pdbs: {{web: {{allowed: {chance.randint(0, 2)}, gangs: [run{guarded[0]}, run{guarded[1]}]}}}}",
        ]
    )


def _quota(chance: Random, gpus: int) -> str:
    guaranteed = chance.randint(0, gpus // 2)
    limit = f", limit: {guaranteed + chance.randint(0, gpus // 2)}" if chance.random() < 0.3 else ""
    return f"guaranteed: {guaranteed}{limit}, weight: {chance.randint(0, 2)}"


def looked_at(path: Path, seed: int) -> Counter[str]:
    """What is said of the plan of one world."""
    path.write_text(drawn(seed))
    (row,) = load(path)
    world = world_of(row.scenario)

    def again(then: Snapshot) -> Plan:
        return run(decide(then, Policy(), row.scenario.now, BUDGET), lambda request: list(solve(request))[-1])

    plan = again(snapshot_of(world))
    found = Counter(difference.subject for difference in broken(world, plan))
    gone = set(evicted(plan.decisions))
    found[VICTIMS] = int(bool(gone))
    if plan.decisions:
        second = list(unsettled(world, plan, again))
        if second:
            found[_what(second, gone, {name_of(world, each.gang) for each in plan.decisions})] = 1
        found[NEEDLESS] = int(any(True for _ in needless(world, plan, again)))
    return found


def _what(second: Sequence[Difference], gone: Collection[str], served: Collection[str]) -> str:
    """What a second decision does: in turn evicted work may take from others, but from nobody who was served."""
    victims = {gang_of_pod(uid) for uid in gone}
    new: dict[str, set[str]] = {IN_TURN: set(), SOMEBODY_NEW: set()}
    for each in second:
        name, _, uids = each.found.partition(" more pods of ")[2].partition(", evicting ")
        fresh = {uid for uid in uids.split(", ") if uid != "nobody" and uid not in gone}
        in_turn = name in victims and not {gang_of_pod(uid) for uid in fresh} & set(served)
        new[IN_TURN if in_turn else SOMEBODY_NEW] |= fresh
    if new[SOMEBODY_NEW] - new[IN_TURN]:
        return SOMEBODY_NEW
    return IN_TURN if new[IN_TURN] else NOBODY_NEW
