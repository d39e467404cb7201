"""Policy files: the default one says what the code does, and every error has its file, its line and a remedy."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from scheduler.model.policy import Limits, Policy
from scheduler.policyfile import PolicyError, load

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT = REPOSITORY / "policies" / "default.yaml"
REFERENCE = REPOSITORY / "docs" / "reference" / "policy.md"


def write(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text)
    return path


def test_default_file_is_the_default_policy() -> None:
    assert load(DEFAULT) == Policy()


def test_default_file_leaves_nothing_out() -> None:
    written = yaml.safe_load(DEFAULT.read_text())
    assert written == msgspec.json.decode(msgspec.json.encode(Policy()))


def test_reference_names_every_key_and_term() -> None:
    text = REFERENCE.read_text()
    written = yaml.safe_load(DEFAULT.read_text())
    terms = [*written["filters"], *written["rules"], *written["goals"]]
    inner = [f"{key}.{name}" for key, value in written.items() if isinstance(value, dict) for name in value]
    assert [name for name in (*terms, *written, *inner) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("path", sorted(DEFAULT.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_profile_is_named_as_its_file_and_its_page_names_every_switch(path: Path) -> None:
    assert load(path).name == path.stem
    if path != DEFAULT:
        page = (REPOSITORY / "docs" / "profiles" / f"{path.stem}.md").read_text()
        written = yaml.safe_load(path.read_text())
        switches = [f"{key}.{name}" for key, value in written.items() if isinstance(value, dict) for name in value]
        assert [name for name in switches if f"`{name}`" not in page] == []


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    path = write(tmp_path, "name: own\nlimits: {window_gangs: 7}\nrules: [capacity]\n")
    assert load(path) == Policy(name="own", limits=Limits(window_gangs=7), rules=("capacity",))


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("name: own\nbudgets: {seed: 1}\n", 2, "budgets: no such key; see docs/reference/policy.md"),
        ("name: own\nbudget:\n  seed: 1\n  wall: 2\n", 4, "budget.wall: no such key"),
        ("name: own\nbudget:\n  wall_seconds: 600.0\n", 3, "less than or equal to 60"),
        ("name: own\nlimits: {window_gangs: many}\n", 2, "limits.window_gangs: Input should be a valid integer"),
        (
            "name: own\n\nfilters: [ready, taint]\n",
            3,
            "unknown filter 'taint'; there are: declared-features, ",
        ),
        ("name: own\nrules: [capacities]\n", 2, "unknown rule 'capacities'; there are: capacity, "),
        ("name: own\ngoals: [speed]\n", 2, "unknown goal 'speed'; there are: balance, "),
        ("name: own\nnode_score: tight\n", 2, "unknown node score 'tight'; there are: fgd, pack, price, spread"),
        ("budget: {seed: 1}\n", 1, "name: is required"),
        ("name: own\nrules: [capacity\n", 3, "not YAML: "),
        ("- name: own\n", 1, "a policy is a map of keys, for example `name: default`"),
        ("", 1, "a policy is a map of keys"),
    ],
)
def test_errors_have_file_line_and_remedy(tmp_path: Path, text: str, line: int, remedy: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PolicyError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert remedy in message


def test_all_errors_of_a_file_come_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "name: own\nrule: []\nnode_score: tight\n")
    with pytest.raises(PolicyError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert sorted(line.removeprefix(f"{path}:").partition(":")[0] for line in lines) == ["2", "3"]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml")
