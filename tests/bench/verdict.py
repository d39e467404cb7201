"""How long until it is certain, and said, that a gang of 10 pods with 8 GPUs each fits nowhere: four kinds of "no".

``sum``: 79 GPUs are free in the whole fleet. ``rack``: the gang wants one rack, and every rack has 79 free. ``pieces``:
7 GPUs are free on each node. ``quota``: the fleet is empty, its queue may take 79 more.

Deciding is from the gang's last pod, seen by the engine, to the verdict; beside it the same for the effects that carry
the words. With --bed a real API server is asked (`verdict_bed`), and kube-scheduler beside us.

    python -m tests.bench.verdict [--nodes 500 5000] [--kinds sum rack pieces quota] [--bed] [--json FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from scheduler.core.decide import Memory, decide
from scheduler.core.drive import Deciding
from scheduler.core.engine import Engine
from scheduler.core.explain import message
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.cluster import Node
from scheduler.model.events import Event
from scheduler.model.plan import Plan, Verdict
from scheduler.model.policy import Policy
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU, from_quantities
from scheduler.model.shape import Shape
from scheduler.model.topology import Level, Topology, TopologyAsk
from scheduler.model.work import Pod, PodGroup, group_key
from scheduler.runtime import settle_memory
from scheduler.solver.problem import SolveResult
from tests.bench.measure import columns, machine, write_json
from tests.bench.verdict_bed import BedAnswer, measure_on_bed
from tests.bench.verdict_bed import report as report_bed

KINDS = ("sum", "rack", "pieces", "quota")
RACK_NODES = 16
PODS, POD_GPUS, NODE_GPUS = 10, 8, 8
SHORT_GPUS = PODS * POD_GPUS - 1
TARGET_MILLISECONDS = {500: 20.0, 5000: 100.0}


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of "no" on one fleet; seconds of each repetition."""

    kind: str
    nodes: int
    deciding_seconds: list[float]
    saying_seconds: list[float]
    solves: int
    proven: bool
    words: str


def free_gpus(kind: str, nodes: int) -> Iterator[int]:
    """What is free on each node; a last rack that is not whole counts as full."""
    for number in range(nodes):
        place = number % RACK_NODES
        match kind:
            case "quota":
                yield NODE_GPUS
            case "pieces":
                yield NODE_GPUS - 1
            case "rack":
                whole = number // RACK_NODES < nodes // RACK_NODES
                yield (NODE_GPUS if place < PODS - 1 else NODE_GPUS - 1 if place == PODS - 1 else 0) if whole else 0
            case _:
                yield NODE_GPUS if number < PODS - 1 else NODE_GPUS - 1 if number == PODS - 1 else 0


def shape(gpus: int) -> Shape:
    return Shape(from_quantities({"cpu": 4 * gpus, "memory": f"{32 * gpus}Gi", "pods": 1, GPU: gpus}))


def fleet(kind: str, nodes: int) -> list[Event]:
    """Nodes and what runs on them: one pod per GPU, so that a full fleet of 5,000 nodes runs 40,000 pods."""
    allocatable = from_quantities({"cpu": "96", "memory": "1024Gi", "pods": "110", GPU: NODE_GPUS})
    one = shape(1)
    limit = Quota(GPU, limit=SHORT_GPUS * 1000 if kind == "quota" else None)
    events: list[Event] = [ev.QueueSeen(Queue("default", quotas=(limit,)))]
    events.append(ev.TopologySeen(Topology("fabric", (Level("rack", "rack"),))))
    for number, free in enumerate(free_gpus(kind, nodes)):
        name = f"node-{number:04d}"
        events.append(ev.NodeSeen(Node(name, {"rack": f"r{number // RACK_NODES:03d}"}, allocatable)))
        for index in range(NODE_GPUS - free):
            uid = f"old-{number}-{index}"
            events.append(ev.PodSeen(Pod(uid, "old", uid, "1", one, node=name)))
    return events


def gang(kind: str, number: int) -> list[Event]:
    ask = TopologyAsk(required="rack") if kind == "rack" else None
    name = f"no-{number}"
    asked = shape(POD_GPUS)
    events: list[Event] = [ev.PodGroupSeen(PodGroup(f"uid-{name}", "team", name, "1", min_member=PODS, topology=ask))]
    for index in range(PODS):
        uid = f"{name}-{index}"
        events.append(ev.PodSeen(Pod(uid, "team", uid, "1", asked, ours=True, group=name)))
    return events


def without_solver(deciding: Deciding) -> tuple[Plan, int]:
    """The plan, and how many solves were asked for: a bound that says no needs none."""
    solves = 0
    answer: SolveResult | None = None
    try:
        while True:
            asked = deciding.send(answer)
            answer = None
            if not isinstance(asked, Plan):
                answer = SolveResult(None, "skipped")
                solves += 1
    except StopIteration as end:
        return end.value, solves


def measure(kind: str, nodes: int, repetitions: int) -> Answer:
    """A first gang warms what a running scheduler has warm; then one after the other, each gone before the next."""
    policy = Policy()
    engine = Engine(policy)
    memory = Memory(policy)
    now = 1_000_000.0
    engine.handle([*fleet(kind, nodes), ev.Leading(1), ev.Synced()], now)
    settle_memory()
    deciding_seconds, saying_seconds = [], []
    solves, verdict = 0, None
    for number in range(repetitions + 1):
        now += 100.0
        events = gang(kind, number)
        engine.handle(events[:-1], now)
        began = perf_counter()
        effects = engine.handle(events[-1:], now)
        assert any(isinstance(each, ef.Decide) for each in effects), "the engine did not want to decide"
        snapshot = engine.snapshot()
        plan, asked = without_solver(decide(snapshot, policy, now, policy.budget, memory))
        decided = perf_counter()
        engine.handle([ev.Planned(plan)], now)
        words = engine.handle([ev.Ticked()], now)
        said = perf_counter()
        assert any(isinstance(each, ef.WriteStatus) for each in words), "no word was said at once"
        verdict = plan.verdicts[group_key("team", f"no-{number}")]
        if number:
            deciding_seconds.append(decided - began)
            saying_seconds.append(said - began)
            solves += asked
        gone: list[Event] = [ev.PodGone(each.pod.uid) for each in events if isinstance(each, ev.PodSeen)]
        engine.handle([*gone, ev.PodGroupGone("team", f"no-{number}")], now)
    assert isinstance(verdict, Verdict)
    return Answer(kind, nodes, deciding_seconds, saying_seconds, solves, verdict.proven, message(verdict))


def report(answers: list[Answer]) -> None:
    rows = [["nodes", "kind", "deciding p50 ms", "max ms", "target ms", "words p50 ms", "solves", "proven", "message"]]
    rows += [
        [
            str(each.nodes),
            each.kind,
            f"{median(each.deciding_seconds) * 1e3:.1f}",
            f"{max(each.deciding_seconds) * 1e3:.1f}",
            f"{TARGET_MILLISECONDS[each.nodes]:.0f}" if each.nodes in TARGET_MILLISECONDS else "-",
            f"{median(each.saying_seconds) * 1e3:.1f}",
            str(each.solves),
            "yes" if each.proven else "no",
            each.words,
        ]
        for each in answers
    ]
    print(columns(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--bed", action="store_true", help="ask a real API server instead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    answers: list[Answer] | list[BedAnswer]
    if options.bed:
        answers = [
            answer
            for nodes in options.nodes
            for kind in options.kinds
            for answer in measure_on_bed(
                kind,
                list(free_gpus(kind, nodes)),
                RACK_NODES,
                SHORT_GPUS if kind == "quota" else None,
                PODS,
                POD_GPUS,
                options.repetitions,
            )
        ]
        report_bed(answers)
    else:
        answers = [measure(kind, nodes, options.repetitions) for nodes in options.nodes for kind in options.kinds]
        report(answers)
    write_json(
        options.json,
        {"benchmark": "verdict", "machine": machine(), "options": vars(options) | {"json": None}, "answers": answers},
    )


if __name__ == "__main__":
    main()
