"""From up to down on the real control plane: nothing may be left, however a bed ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from testbed import Bed, BedError, BedOptions, ComponentDiedError, locations, registry

pytestmark = pytest.mark.cluster

# The least there is: etcd and kube-apiserver.
BARE = BedOptions(kwok=False)
COMMAND = [sys.executable, str(locations.FOLDER / "bed")]


@pytest.fixture(autouse=True)
def own_beds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of its own for each test: other beds of this machine are not to be seen here."""
    folder = tmp_path / "beds"
    monkeypatch.setenv("MUSTER_BEDS", str(folder))
    return folder


def eventually(condition: Callable[[], bool], timeout_seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def processes_that_name(path: Path | str) -> list[list[str]]:
    """Command lines, of other processes than this one, that name the path."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(str(path) in argument for argument in arguments):
            found.append(arguments)
    return found


def data_folder(bed: Bed) -> Path:
    return Path((bed.home / registry.DATA_NOTE).read_text())


def in_another_process(code: str) -> "subprocess.Popen[str]":
    """A launcher that we may kill. It says `up` when its bed is ready, then waits."""
    return subprocess.Popen(
        [sys.executable, "-c", f"from testbed import *\n{code}\nprint('up', flush=True)\ninput()"],
        env=os.environ | {"PYTHONPATH": str(locations.FOLDER)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_down_leaves_no_process_and_no_file(own_beds: Path) -> None:
    with Bed.up(BedOptions(kwok=True)) as bed:
        pids, data = bed.pids(), data_folder(bed)
        assert set(pids) == {"etcd", "kube-apiserver", "kwok", "supervisor"}
        assert data.exists()
        assert registry.running_beds() == [bed.name]
    assert [name for name, pid in pids.items() if psutil.pid_exists(pid)] == []
    assert not data.exists()
    assert not bed.home.exists()
    assert registry.running_beds() == []


def test_a_failing_test_ends_its_bed(own_beds: Path) -> None:
    pids: dict[str, int] = {}

    def fail(bed: Bed) -> None:
        pids.update(bed.pids())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Bed.up(BARE) as bed:
        fail(bed)
    assert [name for name, pid in pids.items() if psutil.pid_exists(pid)] == []


def test_a_killed_supervisor_takes_its_components_along(own_beds: Path) -> None:
    with Bed.up(BedOptions(name="orphan")) as bed:
        pids, data = bed.pids(), data_folder(bed)
        os.kill(pids["supervisor"], signal.SIGKILL)
        assert eventually(lambda: not processes_that_name(own_beds))
        with pytest.raises(BedError, match="supervisor of the bed does not answer"):
            bed.check()
    assert not data.exists()
    assert not bed.home.exists()


def test_a_killed_launcher_ends_its_bed(own_beds: Path) -> None:
    launcher = in_another_process("bed = Bed.up(BedOptions(name='lost'))")
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "up\n"
    bed = Bed.open("lost")
    data = data_folder(bed)
    launcher.kill()
    launcher.communicate()
    assert eventually(lambda: not processes_that_name(own_beds))
    assert eventually(lambda: not bed.home.exists() and not data.exists())


def test_a_launcher_killed_while_it_waits_for_readiness_leaves_nothing(own_beds: Path) -> None:
    launcher = in_another_process("bed = Bed.up(BedOptions(name='lost'))")
    assert eventually(lambda: bool(processes_that_name(own_beds / "lost")))
    launcher.kill()
    launcher.communicate()
    assert eventually(lambda: not processes_that_name(own_beds))
    assert eventually(lambda: not (own_beds / "lost").exists())


def test_what_a_dead_bed_left_is_swept_by_the_next_one(own_beds: Path) -> None:
    launcher = in_another_process("bed = Bed.up(BedOptions(name='both', kwok=False))")
    assert launcher.stdout is not None
    launcher.stdout.readline()
    bed = Bed.open("both")
    data = data_folder(bed)
    # Both at once: nobody is left who could clean up.
    supervisor = psutil.Process(bed.pids()["supervisor"])
    supervisor.suspend()
    launcher.kill()
    launcher.communicate()
    supervisor.kill()
    assert eventually(lambda: not processes_that_name(own_beds))
    assert data.exists()
    with Bed.up(BARE):
        assert not data.exists()
        assert not bed.home.exists()


def test_ctrl_c_ends_a_bed_in_the_foreground(own_beds: Path) -> None:
    command = subprocess.Popen(
        [*COMMAND, "up", "--name", "front", "--no-kwok"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    assert command.stdout.readline().startswith("bed front is up after ")
    command.send_signal(signal.SIGINT)
    output, errors = command.communicate(timeout=20)
    assert "bed front is down" in output
    assert "Traceback" not in errors
    assert processes_that_name(own_beds) == []


def test_a_detached_bed_stays_until_down(own_beds: Path) -> None:
    def bed(*arguments: str) -> str:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
        return done.stdout + done.stderr

    assert "bed far is up" in bed("up", "--detach", "--name", "far", "--no-kwok", "--fleet", "tiny")
    assert bed("list").startswith("far ")
    assert "a bed named 'far' is running already" in bed("up", "--name", "far")
    assert "gpu-z1-b1-r1-n1" in bed("kubectl", "--name", "far", "get", "nodes", "-o", "name")
    assert "removed 4 nodes" in bed("fleet", "remove", "--name", "far", "tiny")
    assert "kube-apiserver           running" in bed("status", "--name", "far")
    assert "kwok has not run in bed far; its logs are etcd, kube-apiserver, supervisor" in bed(
        "logs", "--name", "far", "kwok"
    )
    assert bed("down", "--name", "far") == "bed far is down\n"
    assert "no bed named 'far' is running" in bed("status", "--name", "far")
    assert processes_that_name(own_beds) == []


def test_two_beds_side_by_side_do_not_see_each_other(own_beds: Path) -> None:
    with Bed.up(BARE) as one, Bed.up(BARE) as other:
        assert one.server != other.server
        one.kubectl("create", "namespace", "only-here")
        assert "only-here" in one.kubectl("get", "namespaces", "-o", "name").stdout
        assert "only-here" not in other.kubectl("get", "namespaces", "-o", "name").stdout
        one.down()
        other.kubectl("get", "namespaces")


def test_a_component_that_cannot_start_is_told_by_name_code_and_log(own_beds: Path) -> None:
    with pytest.raises(ComponentDiedError) as caught:
        Bed.up(BedOptions(name="bad", feature_gates=("NoSuchGate=true",)))
    assert "kube-apiserver ended with exit code 1 after " in str(caught.value)
    assert "NoSuchGate" in str(caught.value)
    assert processes_that_name(own_beds) == []
    assert not (own_beds / "bad").exists()


def test_a_component_that_dies_later_is_told(own_beds: Path) -> None:
    with Bed.up(BedOptions()) as bed:
        bed.check()
        os.kill(bed.pids()["kwok"], signal.SIGKILL)
        assert eventually(lambda: any(item["state"] == "died" for item in bed.status()))
        with pytest.raises(ComponentDiedError, match="kwok was killed by SIGKILL after"):
            bed.check()


def test_the_api_server_comes_back_on_its_port_with_its_data(own_beds: Path) -> None:
    with Bed.up(BARE) as bed:
        bed.kubectl("create", "namespace", "kept")
        bed.stop_component("kube-apiserver")
        assert bed.kubectl("get", "namespaces", check=False).returncode != 0
        bed.check()
        with pytest.raises(BedError, match="1 of 1 requests failed:\n  POST /api/v1/namespaces: 0 Cannot connect"):
            bed.create([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lost"}}])
        bed.start_component("kube-apiserver")
        assert "kept" in bed.kubectl("get", "namespaces", "-o", "name").stdout


def test_a_name_that_is_no_folder_is_refused(own_beds: Path) -> None:
    with pytest.raises(BedError, match="use up to 40 lower-case letters"):
        Bed.up(BedOptions(name="../elsewhere"))
