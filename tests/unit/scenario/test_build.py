"""From scenarios to snapshots: numbers, labels, trees."""

from __future__ import annotations

from pathlib import Path

from scheduler.model.devices import DeviceAsk
from scheduler.model.queue import Borrowing, Counts, History
from scheduler.model.resources import CPU, GPU
from scheduler.model.work import Branch, NodeCount, Place
from scheduler.scenario.build import to_snapshot
from scheduler.scenario.run import choose_policy
from tests.unit.scenario.texts import scenario


def test_running_gangs_take_room_on_nodes_and_in_queues(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 4, n1: 2}\nqueues: {A: 4, B: 1}\n"
            "gangs: [{name: a, queue: A, pods: 2, gpu: 2, on: [n0, n1]}, {name: b, queue: B, gpu: 1, cpu: 500m}]",
        )
    )
    gpu, cpu = snapshot.resources.index(GPU), snapshot.resources.index(CPU)
    assert snapshot.free[:, gpu].tolist() == [2000, 0]
    assert (snapshot.use["A"][gpu], snapshot.use["B"][gpu]) == (4000, 0)
    assert [gang.name for gang in snapshot.gangs] == ["b"]
    assert dict(snapshot.gangs[0].members[0].shape.requests) == {GPU: 1000, CPU: 500, "pods": 1}
    assert snapshot.free[0, cpu] == 1_000_000


def test_a_gang_that_runs_in_part_waits_for_the_rest(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(tmp_path, "id: x/1\nnodes: {n0: 4}\ngangs: [{name: a, pods: 4, min: 3, gpu: 1, on: {n0: 2}}]")
    )
    (gang,) = snapshot.gangs
    assert gang.held == (Place("pods", (NodeCount("n0", 2),)),)
    assert (gang.members[0].count, gang.branches[0].minimum) == (2, 1)


def test_suspended_and_leaving_gangs_ask_for_nothing_and_leaving_pods_hold_their_places(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 4}\n"
            "gangs: [{name: a, gpu: 1, suspend: true}, {name: b, pods: 2, gpu: 1, on: n0, leaving: true}]",
        )
    )
    assert snapshot.gangs == ()
    assert snapshot.free[0, snapshot.resources.index(GPU)] == 3000


def test_subgroups_are_branches_and_a_member_beside_them_is_required(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 9}\ngangs:\n- name: a\n  members: [{name: master}]\n"
            "  subgroups: [{name: top, minSubgroups: 1}, {name: s, count: 2, parent: top, pods: 3, min: 2}]",
        )
    )
    (gang,) = snapshot.gangs
    assert gang.branches == (
        Branch("", -1, 0, 2),
        Branch("top", 0, 0, 1),
        Branch("s0", 1, 2, 0),
        Branch("s1", 1, 2, 0),
        Branch("master", 0, 1, 0),
    )
    assert {member.name: (member.branch, member.count) for member in gang.members} == {
        "master": (4, 1),
        "s0": (2, 3),
        "s1": (3, 3),
    }


def test_members_with_minima_make_the_gangs_minimum(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 9}\ngangs: [{name: a, members: [{name: m}, {name: w, pods: 4, min: 2}]}]",
        )
    )
    assert snapshot.gangs[0].branches[0].minimum == 3


def test_a_common_level_needs_no_declaration_and_ends_at_the_host(tmp_path: Path) -> None:
    snapshot = to_snapshot(scenario(tmp_path, 'id: x/1\nnodes: [{name: "z[1-2]n[1-2]", rack: "{2}", zone: "z{1}"}]'))
    topology = snapshot.topologies["default"]
    assert [level.name for level in topology.levels] == ["zone", "rack", "host"]
    _, racks = snapshot.nodes.domain_column(topology, 1)
    assert racks == ("z1/1", "z1/2", "z2/1", "z2/2")


def test_a_declared_level_has_its_own_label(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(tmp_path, "id: x/1\ntopology: [{name: row, label: e.com/row}]\nnodes: [{name: n0, row: r1}]")
    )
    assert snapshot.nodes.nodes[0].labels["e.com/row"] == "r1"
    assert [level.name for level in snapshot.topologies["default"].levels] == ["row", "host"]


def test_a_world_without_nodes_is_the_sum_of_its_guarantees(tmp_path: Path) -> None:
    snapshot = to_snapshot(scenario(tmp_path, "id: x/1\nqueues: {A: 3, B: 2}"))
    assert snapshot.free[:, snapshot.resources.index(GPU)].tolist() == [5000]


def test_weights_become_whole_numbers_in_proportion(tmp_path: Path) -> None:
    snapshot = to_snapshot(scenario(tmp_path, "id: x/1\nqueues: {A: {weight: 0.5}, B: {weight: 2}}"))
    assert (snapshot.queues["A"].weight, snapshot.queues["B"].weight) == (1, 4)


def test_classes_give_priority_and_preemptibility_unless_the_gang_does(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 1}\ngangs: [{name: a, class: build}, {name: b, class: train, priority: 49},"
            " {name: c, class: build, preemptible: true}]",
        )
    )
    assert [(gang.priority, gang.preemptible) for gang in snapshot.gangs] == [(100, False), (49, True), (100, True)]


def test_parts_of_devices_stand_where_the_file_says(tmp_path: Path) -> None:
    text = """
id: x/1
nodes: {n0: {gpu: 4, gpuMemory: 80Gi}}
gangs:
- {name: a, gpuMilli: 300, on: n0/g1}
- {name: b, gpu: 0.5, on: [n0, n0]}
- {name: c, gpu: 1, on: n0}
- {name: d, gpuMemory: 20Gi, gpuCount: 2}
"""
    snapshot = to_snapshot(scenario(tmp_path, text))
    assert snapshot.devices is not None
    assert snapshot.devices.tolist() == [[0, 700, 1000, 0]]  # whole devices are taken from the other end
    assert snapshot.use["default"][snapshot.resources.index("nvidia.com/gpu")] == 2300
    assert snapshot.gangs[0].members[0].shape.devices == DeviceAsk(2, memory_mib=20480)


def test_what_runs_is_listed_with_its_times_its_budgets_and_what_leaves(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnow: 1h\nnodes: {n0: 8}\npdbs: {web: {allowed: 1, gangs: ['a[0-1]']}}\ngangs:\n"
            "- {name: a0, gpu: 1, on: n0, started: 10m, lastCheckpoint: 20m, movable: false}\n"
            "- {name: a1, pods: 4, min: 2, gpu: 1, on: {n0: 3}, leaving: {n0: 1}}\n"
            "- {name: b, pods: 2, gpu: 1, on: {n0: 2}, stuck: n0, preemptible: false}",
        )
    )
    first, second, third = snapshot.running
    assert (first.started_seconds, first.saved_seconds, first.movable) == (600.0, 1200.0, False)
    assert [pod.leaving for pod in second.pods] == [True, False, False]
    assert (second.members[0].count, second.branches[0].minimum, second.waits) == (4, 2, True)
    assert {pod.guards for pod in (*first.pods, *second.pods)} == {("default/web",)}
    assert len(third.pods) == 1, "a stuck pod is neither room nor victim"
    assert (third.preemptible, third.started_seconds) == (False, 0.0)
    assert snapshot.guards == {"default/web": 1}
    assert snapshot.free[0, snapshot.resources.index(GPU)] == 2000, "until they are gone all of them hold their places"
    (waiting,) = snapshot.gangs
    assert (waiting.members[0].count, waiting.branches[0].minimum) == (1, 0), "what leaves does not come back"


def test_queues_bring_their_rules_of_taking_and_leave_open_what_is_inherited(tmp_path: Path) -> None:
    queues = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 1}\nclasses: {calm: {priority: 3, neverPreempts: true}}\nqueues:\n"
            "  a: {preemption: {withinQueue: Never, reclaim: LowerPriority, minRuntime: {reclaim: 5m},\n"
            "      whileBorrowing: {policy: LowerPriority, maxPriority: 0}}, history: {halfLife: 1d, factor: 0.5}}\n"
            "  b: {limits: {gangs: 2, perUser: {pods: 3, resources: {gpu: 4}}}, preemption: {delay: 10s}}",
        )
    ).queues
    own = queues["a"].preemption
    assert (own.within_queue, own.reclaim, own.while_borrowing) == (
        "Never",
        "LowerPriority",
        Borrowing("LowerPriority", 0),
    )
    assert (own.min_runtime_preempt_seconds, own.min_runtime_reclaim_seconds, own.delay_seconds) == (None, 300.0, None)
    assert queues["a"].history == History(86_400.0, "0.5")
    assert queues["b"].counts == Counts(gangs=2, user_pods=3, user_resources=((GPU, 4000),))
    assert (queues["b"].preemption.delay_seconds, queues["b"].preemption.while_borrowing) == (10.0, None)


def test_who_never_preempts_and_who_waits_first_is_said_of_the_gang(tmp_path: Path) -> None:
    (gang,) = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nnodes: {n0: 1}\nclasses: {calm: {priority: 3, neverPreempts: true}}\n"
            "gangs: [{name: a, class: calm, gpu: 1, preemptionDelay: 10m, user: u}]",
        )
    ).gangs
    assert (gang.preempts, gang.delay_seconds, gang.user) == (False, 600.0, "u")


def test_without_nodes_there_is_what_the_top_of_the_tree_is_guaranteed(tmp_path: Path) -> None:
    snapshot = to_snapshot(
        scenario(
            tmp_path,
            "id: x/1\nqueues: {top: {guaranteed: 5}, a: {parent: top, guaranteed: 4}, open: {}, "
            "b: {parent: open, guaranteed: 2}, c: {parent: open, guaranteed: 1}}",
        )
    )
    assert snapshot.capacity[0, snapshot.resources.index(GPU)] == 8000


def test_switches_of_taking_stand_on_top_of_the_profile(tmp_path: Path) -> None:
    form = scenario(
        tmp_path,
        "id: x/1\nnodes: {n0: 1}\n"
        "policy: {reclaimRule: kueue-fair, costOrder: [pods-evicted], moves: false, breakPdbs: true}",
    ).policy
    chosen = choose_policy(form)
    taking = chosen.policy.taking
    assert (taking.rule, taking.costs, taking.moves, taking.break_guards) == (
        "kueue-fair",
        ("pods-evicted",),
        False,
        True,
    )
    assert chosen.label == "default with break_pdbs, cost_order, moves, reclaim_rule"
