"""Every fault names line, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.scenario.load import load, load_suite
from scheduler.scenario.problems import ScenarioError
from tests.unit.scenario.texts import problems, scenario

HEAD = "id: x/1\nnodes: {n0: {gpu: 2, rack: r1}}\n"

FAULTS = [
    (HEAD + "gangs:\n- {name: a, topolgy: rack}", "4: gangs[0].topolgy: is not a key", "did you mean 'topology'?"),
    ("id: x/1\nnodes:\n- {name: n0, rak: r1}", "3: nodes[0].rak: is neither a key of a node nor a level", "'rack'"),
    (HEAD + "gangs:\n- name: a\n  gpu: many", "5: gangs[0].gpu: 'many' is not a quantity", "500m"),
    (HEAD + "gangs:\n- name: a\n  gpu: -1", "5: gangs[0].gpu: -1 is below zero", ""),
    (HEAD + "gangs:\n- name: a\n  on: n7", "5: gangs[0].on: node 'n7' is not defined", "there is: n0"),
    (HEAD + "gangs:\n- {name: a, gpu: 3, on: n0}", "4: gangs[0].on: a does not fit on n0, which has 2 gpu", ""),
    (HEAD + "gangs:\n- {name: a, pods: 1, on: {n0: 2}}", "4: gangs[0].on: a: 2 pods run, but it has 1", ""),
    (HEAD + "gangs: [{name: a}, {name: a}]", "3: gangs[1].name: gang 'a' stands twice", ""),
    (HEAD + "gangs: [{name: a, queue: Q}]", "3: gangs[0].queue: queue 'Q' is not defined", "there is: default"),
    (HEAD + "gangs: [{name: a, class: trian}]", "3: gangs[0].class: class 'trian' is not defined", "'train'"),
    (HEAD + "gangs: [{name: a, preemptible: yes}]", "3: gangs[0].preemptible: ", "write true or false"),
    (HEAD + "gangs: [{name: a, topology: rck}]", "3: gangs[0].topology.required: level 'rck' is not in", "'rack'"),
    (HEAD + "gangs: [{name: a, arrived: 5x}]", "3: gangs[0].arrived: '5x' is not a time", "1d2h30m10s"),
    (
        HEAD + "gangs:\n- name: a\n  subgroups: [{name: s, parent: t, pods: 1}, {name: t}]",
        "5: gangs[0].subgroups[0].parent: subgroup 't' does not stand above it",
        "list a parent before its children",
    ),
    (HEAD + "gangs: [{name: a}]\nexpect:\n  placed: [b]", "5: expect.placed: gang 'b' is not defined", "there is: a"),
    (
        HEAD + "gangs: [{name: a}]\nexpect:\n  where: {a: r7}",
        "5: expect.where.a: 'r7' is neither a node",
        "there is: n0, r1",
    ),
    (
        HEAD + "gangs: [{name: a}]\nexpect: {placed: {count: 1}}",
        "4: expect.placed: counts without saying of whom",
        "from",
    ),
    (HEAD + "gangs: [{name: a}]\nexpect: {verdicts: {a: Blockd}}", "4: expect.verdicts.a.cause: ", "'Blocked'"),
    ("id: x/1\nqueues: {A: {limit: {gpus: 3}}}", "2: queues[0].limit.gpus: 'gpus' is not a resource", "'gpu'"),
    ("id: x/1\nqueues:\n- {name: a, parent: a}", "3: queues[0].parent: the parents run in a circle", "a -> a"),
    (
        "id: x/1\nqueues: {A: {guaranteed: {h100: 1, b200: {gpu: 1}}}}",
        "2: queues[0].guaranteed.h100",
        "is not a resource",
    ),
    ("id: x/1\nqueues: {A: {limit: {b200: {gpu: 1}}}}", "2: queues[0].limit: flavor 'b200' is not defined", ""),
    ("id: x/1\npolicy: {nodeScore: sprad}", "2: policy.nodeScore: 'sprad' is not known", "did you mean 'spread'?"),
    (HEAD + "gangs: [{name: a}]\nexpect:\n  placed:\n  - b", "5: expect.placed: gang 'b' is not defined", ""),
    (
        'id: x/1\nnodes: [{name: "n[1-2]", block: "b{1}", rack: r1}]\ngangs: [{name: a}]\nexpect: {where: {a: r1}}',
        "4: expect.where.a: 'r1' names several domains",
        "write one of: b1/r1, b2/r1",
    ),
    ("id: x/1\nsteps: [{at: 1}]", "2: steps[0]: states 0 events", "changeQueue"),
    ("id: x/1\nexpected: fail", "1: is expected to fail without a reason", "add reason"),
    ("id: x/1\ncapacity: 3\nnodes: {n0: 1}", "1: has both capacity and nodes", ""),
    ("id: x/1\nid: x/2", "2: id: stands twice", "keep one of the two"),
    ("nodes: {n0: 1}", "1: id: is missing", "add it"),
    ("id: x/1\ntag: Z", "2: tag: ", "'S', 'C', 'P' or 'X'"),
    ("id: x/1\n\tnodes: 1", "2: is not YAML", "indent with spaces"),
    ("- id: x/1", "1: is a list, not a mapping", "its keys are"),
    ("a: &a [*a]", "1: is nested deeper", "aliases"),
]


@pytest.mark.parametrize(("text", "start", "inside"), FAULTS, ids=[start for _, start, _ in FAULTS])
def test_a_fault_names_line_key_and_remedy(tmp_path: Path, text: str, start: str, inside: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(start), found
    assert inside in found[0], found


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "id: x/1\ntag: Z\nnow: never\n---\nid: x/2\nnodes: 3x")
    assert [each.split(":")[0] for each in found] == ["2", "3", "6"]


def test_shorthands_say_the_same_as_the_long_form(tmp_path: Path) -> None:
    short = scenario(tmp_path, "id: x/1\nnodes: {n0: 2}\nqueues: {A: 1}\ngangs: [{name: a, on: n0, topology: host}]")
    long = scenario(
        tmp_path,
        "id: x/1\nnodes: [{name: n0, gpu: 2}]\nqueues: [{name: A, guaranteed: {gpu: 1}}]\n"
        "gangs: [{name: a, on: {n0: 1}, topology: {required: host}}]",
    )
    assert short == long


def test_a_file_that_is_not_there_is_a_fault_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml")


def test_an_empty_directory_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="holds no scenario files"):
        load_suite([tmp_path])


def test_an_id_stands_once_in_a_suite(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("id: x/1\nnodes: {n0: 1}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"b\.yaml:1: id: 'x/1' stands already in .*a\.yaml:1"):
        load_suite([tmp_path])


def test_a_file_holds_several_scenarios(tmp_path: Path) -> None:
    path = tmp_path / "rows.yaml"
    path.write_text("id: x/1\n---\n# a comment\nid: x/2\n", encoding="utf-8")
    assert [(row.scenario.id, row.line) for row in load(path)] == [("x/1", 1), ("x/2", 4)]
