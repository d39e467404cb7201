"""Bad settings, row by row: `muster run` ends with code 2 and the remedy, before it connects to anything."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from scheduler.__main__ import app
from scheduler.settings import Settings
from tests.e2e.bad_input import BAD_SETTINGS, BadStart


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Commands say where their lines go; here that is a file which is closed when a command has ended."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("row", BAD_SETTINGS, ids=lambda row: row.id)
def test_bad_settings_end_with_code_2_and_a_remedy(tmp_path: Path, row: BadStart) -> None:
    policy, missing = tmp_path / "policy.yaml", tmp_path / "missing.yaml"
    policy.write_text(row.policy)
    arguments = [each.format(policy=policy, missing=missing) for each in row.arguments]
    ended = CliRunner().invoke(app, ["run", *arguments])
    assert ended.exit_code == 2
    assert f"muster: {row.said.format(policy=policy, missing=missing)}" in ended.stderr
    assert ended.stdout == ""


def test_all_troubles_of_a_policy_are_told_at_once(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: two\nbugdet: {}\nrules: [gravity]\n")
    ended = CliRunner().invoke(app, ["run", "--policy", str(policy)])
    assert "policy.yaml:2: bugdet" in ended.stderr
    assert "policy.yaml:3: rules: unknown rule 'gravity'" in ended.stderr


def test_a_variable_of_the_environment_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_LOG_LEVEL", "loud")
    ended = CliRunner().invoke(app, ["run"])
    assert ended.exit_code == 2
    assert "muster: MUSTER_LOG_LEVEL: Input should be 'debug'" in ended.stderr


def test_a_policy_may_be_named_without_path_and_suffix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert CliRunner().invoke(app, ["policy", "check", "kueue-classic"]).exit_code == 0
    ended = CliRunner().invoke(app, ["policy", "check", "kueue"])
    assert ended.exit_code == 2
    assert "policy kueue does not exist; name a file, or one of ./policies (there are: default, kai, " in ended.stderr


@pytest.mark.parametrize("listen", ["127.0.0.1:http", "nowhere", "127.0.0.1:123456"])
def test_an_address_without_a_port_is_refused(listen: str) -> None:
    ended = CliRunner().invoke(app, ["run", "--listen", listen])
    assert ended.exit_code == 2
    assert "muster: --listen: String should match" in ended.stderr


@pytest.mark.parametrize("endpoint", ["solver", "solver:", "solver:http", ":7070", "solver:0", "solver:65536", "unix:"])
def test_an_endpoint_that_names_no_solver_is_refused(endpoint: str) -> None:
    ended = CliRunner().invoke(app, ["run", "--solver-endpoint", endpoint])
    assert ended.exit_code == 2
    assert f"muster: --solver-endpoint: '{endpoint}' is no address of a solver" in ended.stderr


@pytest.mark.parametrize(
    "endpoint", ["", "solver:7070", "[::1]:7070", "dns:///solver.muster-system:7070", "unix:/run/solver.sock"]
)
def test_addresses_of_solvers_are_taken(endpoint: str) -> None:
    assert Settings(solver_endpoint=endpoint).solver_endpoint == endpoint


def test_an_address_that_is_taken_ends_with_code_2_and_a_remedy(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = CliRunner().invoke(app, ["run", "--kubeconfig", str(kubeconfig), "--listen", address])
    assert ended.exit_code == 2
    assert f"muster: cannot listen on {address}: " in ended.stderr
    assert "name another address with --listen" in ended.stderr


def test_the_version_is_asked_for_as_everywhere() -> None:
    asked = CliRunner().invoke(app, ["--version"])
    assert asked.exit_code == 0
    assert asked.stdout == CliRunner().invoke(app, ["version"]).stdout != ""
