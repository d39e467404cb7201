"""The builder: what a cache key depends on, two builders at once, interruption and failure; with a stand-in for Go.

The stand-in is a shell script on the path: it plays `go env`, `go list` and `go build`, and takes note of each build.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from testbed import binaries, locations
from testbed.binaries import BINARIES, KUBERNETES, KWOK, MODULES, content_key
from testbed.build import Estimate
from testbed.locks import is_locked, locked, try_lock
from testbed.toolchain import expected_version, installed_go, needed_version, pinned_version

STAND_IN = """#!/bin/sh
case "$1" in
  env) echo "${FAKE_GO_VERSION:-go1.26.9}" ;;
  list) echo one; echo two ;;
  build)
    while [ $# -gt 1 ]; do [ "$1" = "-o" ] && out="$2"; shift; done
    echo "$1" >> "$FAKE_GO_NOTES"
    [ "$1" = "$FAKE_GO_FAILS" ] && { echo "undefined: everything" >&2; exit 1; }
    echo one >&2
    while [ -n "$FAKE_GO_GATE" ] && [ ! -e "$FAKE_GO_GATE" ]; do sleep 0.02; done
    sleep "${FAKE_GO_SECONDS:-0.05}"
    echo "$1" > "$out" ;;
esac
"""
ENSURE = "from testbed.build import ensure_binaries; ensure_binaries()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty cache and the stand-in as the only `go`."""
    command = tmp_path / "bin" / "go"
    command.parent.mkdir()
    command.write_text(STAND_IN)
    command.chmod(0o755)
    return os.environ | {
        "PATH": f"{command.parent}:/usr/bin:/bin",
        "PYTHONPATH": str(locations.FOLDER),
        "MUSTER_CACHE": str(tmp_path / "cache"),
        "FAKE_GO_NOTES": str(tmp_path / "notes"),
    }


def builder(environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def built_packages(environment: dict[str, str]) -> list[str]:
    notes = Path(environment["FAKE_GO_NOTES"])
    return notes.read_text().split() if notes.exists() else []


def test_two_builders_at_once_build_each_binary_once(environment: dict[str, str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = builder(environment | {"FAKE_GO_GATE": str(gate)})
    while not built_packages(environment):
        time.sleep(0.01)
    second = builder(environment)
    assert second.stderr is not None
    assert second.stderr.readline() == "another process builds the binaries, 0 s\n"
    gate.touch()
    assert "building kube-apiserver (3 of 7)" in first.communicate()[1]
    # It found the work done.
    assert "building" not in second.communicate()[1]
    assert (first.returncode, second.returncode) == (0, 0)
    assert built_packages(environment) == [binary.package for binary in BINARIES]


def test_a_killed_build_goes_on_with_the_next_missing_binary(environment: dict[str, str]) -> None:
    killed = builder(environment | {"FAKE_GO_SECONDS": "0.5"})
    while len(built_packages(environment)) < 3:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    notes = Path(environment["FAKE_GO_NOTES"])
    notes.unlink()

    resumed = builder(environment)
    assert resumed.communicate()[1].startswith("Building kube-apiserver, ")
    assert resumed.returncode == 0
    # The two that were finished are not built again; the third, cut short, is.
    assert built_packages(environment) == [binary.package for binary in BINARIES[2:]]


def test_a_failed_build_is_told_with_the_compilers_words(environment: dict[str, str]) -> None:
    failed = builder(environment | {"FAKE_GO_FAILS": BINARIES[1].package})
    said = failed.communicate()[1]
    assert failed.returncode != 0
    assert "could not build etcdctl" in said
    assert "undefined: everything" in said


def test_nothing_is_built_when_all_is_there(environment: dict[str, str]) -> None:
    builder(environment).communicate()
    Path(environment["FAKE_GO_NOTES"]).unlink()
    again = builder(environment)
    assert again.communicate() == ("", "")
    assert built_packages(environment) == []


def test_an_old_go_gives_way_to_the_pinned_wheel(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", environment["PATH"])
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.25.9")
    assert installed_go() is None
    assert expected_version() == pinned_version()
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.27.0")
    assert expected_version() == "go1.27.0"


def test_the_pinned_wheel_can_build_the_modules() -> None:
    assert tuple(map(int, pinned_version().removeprefix("go").split("."))) >= needed_version()


def test_the_key_depends_on_every_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(locations.MODULES, tmp_path / "modules")
    monkeypatch.setattr(locations, "MODULES", tmp_path / "modules")
    keys = [content_key(KWOK, "go1.26.6"), content_key(KWOK, "go1.26.7")]
    keys.append(content_key(replace(KWOK, link_flags="-s"), "go1.26.6"))
    monkeypatch.setattr(binaries, "BUILD_ENVIRONMENT", binaries.BUILD_ENVIRONMENT | {"CGO_ENABLED": "1"})
    keys.append(content_key(KWOK, "go1.26.6"))
    for name in ("go.mod", "go.sum"):
        with (KWOK.folder / name).open("a") as stream:
            stream.write("\n")
        keys.append(content_key(KWOK, "go1.26.6"))
    assert len(set(keys)) == len(keys)


def test_the_key_is_the_same_for_the_same_inputs() -> None:
    assert [content_key(module, "go1.26.6") for module in MODULES] == [content_key(m, "go1.26.6") for m in MODULES]


def test_binaries_are_stamped_with_the_version_that_go_mod_pins() -> None:
    assert f"k8s.io/kubernetes {binaries.KUBERNETES_VERSION}" in (KUBERNETES.folder / "go.mod").read_text()
    assert f"version.gitVersion={binaries.KUBERNETES_VERSION}" in KUBERNETES.link_flags


def test_a_lock_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    hold = "import pathlib, sys, testbed.locks as l; l.try_lock(pathlib.Path(sys.argv[1])); print(); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)],
        env=os.environ | {"PYTHONPATH": str(locations.FOLDER)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    assert is_locked(path)
    assert try_lock(path) is None
    holder.kill()
    holder.communicate()
    waits: list[float] = []
    with locked(path, waits.append):
        assert is_locked(path)
    assert waits == []


def test_the_estimate_follows_the_speed_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("testbed.build.time.monotonic", lambda: now)
    monkeypatch.setattr("testbed.build.os.cpu_count", lambda: 2)
    estimate = Estimate(list(BINARIES))
    shares = [binary.cold_seconds for binary in BINARIES]
    assert estimate.left_seconds(0.0) == pytest.approx(sum(shares))
    # A machine three times as slow: with the work seen, the estimate draws near three times the figures.
    for binary, share in zip(BINARIES[:3], shares[:3], strict=True):
        estimate.start()
        now += 3 * share
        estimate.finish(binary)
    estimate.start()
    assert 2.5 * sum(shares[3:]) < estimate.left_seconds(0.0) < 3 * sum(shares[3:])
    now += 3 * shares[3]
    assert estimate.left_seconds(1.0) < 3 * sum(shares[4:])


def test_nothing_is_left_in_the_end() -> None:
    estimate = Estimate([BINARIES[0]])
    estimate.start()
    assert estimate.left_seconds(1.0) == 0.0
