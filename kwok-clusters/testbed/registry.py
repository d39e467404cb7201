"""The beds of this user on this machine: one folder each, alive as long as somebody holds its lock."""

import json
import os
import shutil
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed import locations
from testbed.errors import BedError
from testbed.locks import is_locked, try_lock

FACTS_FILE = "bed.json"
DATA_NOTE = "data-folder"
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Facts:
    """What another process needs to use a running bed. Paths are absolute."""

    name: str
    server: str
    token: str
    ca_file: str
    kubeconfig: str
    audit_log: str | None
    kubectl: str
    supervisor_pid: int
    options: dict[str, Any]


def home_of(name: str) -> Path:
    return locations.beds_folder() / name


def lock_of(name: str) -> Path:
    # Beside the home, not in it: the lock must outlive the folder that it guards.
    return locations.beds_folder() / "locks" / f"{name}.lock"


def claim(name: str) -> tuple[Path, int]:
    """Make the home of a new bed; returns it and the descriptor of its lock."""
    folder = locations.beds_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise BedError(f"{folder} belongs to another user; set MUSTER_BEDS to a folder of your own")
    sweep()
    lock = try_lock(lock_of(name))
    if lock is None:
        raise BedError(f"a bed named {name!r} is running already: `bed down --name {name}`, or choose another --name")
    home = home_of(name)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    (home / "logs").mkdir()
    return home, lock


def write_facts(home: Path, facts: Facts) -> None:
    path = home / FACTS_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(facts), indent=2))


def read_facts(name: str) -> Facts:
    """The facts of a running bed; raises BedError when there is none of that name."""
    path = home_of(name) / FACTS_FILE
    if not is_running(name) or not path.exists():
        running = ", ".join(running_beds()) or "none"
        raise BedError(
            f"no bed named {name!r} is running (running: {running}); `bed up --detach --name {name}` starts it"
        )
    return Facts(**json.loads(path.read_text()))


def is_running(name: str) -> bool:
    return is_locked(lock_of(name))


def running_beds() -> list[str]:
    """Names of the beds that are up."""
    names = (path.parent.name for path in locations.beds_folder().glob(f"*/{FACTS_FILE}"))
    return sorted(filter(is_running, names))


def sweep() -> None:
    """Remove what beds left behind whose supervisor was killed. Their processes died with it."""
    for home in locations.beds_folder().glob("*"):
        if home.name in ("locks", "ports") or not (home / "logs").is_dir():
            continue
        lock = try_lock(lock_of(home.name))
        if lock is not None:
            remove_files(home)
            os.close(lock)


def note_data_folder(home: Path, data: Path) -> None:
    """Write down where etcd's data lies, for `remove_files`."""
    (home / DATA_NOTE).write_text(str(data))


def remove_files(home: Path) -> None:
    """Remove a dead bed's home and its data, wherever the data lies."""
    data_note = home / DATA_NOTE
    if data_note.exists():
        shutil.rmtree(data_note.read_text(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def wait_until_gone(name: str, supervisor_pid: int, timeout_seconds: float) -> None:
    """Wait until a bed that was asked to end is gone; kill its supervisor when that takes too long."""
    deadline = time.monotonic() + timeout_seconds
    while is_running(name):
        if time.monotonic() > deadline:
            # The kernel kills the components with it.
            os.kill(supervisor_pid, signal.SIGKILL)
            deadline += timeout_seconds
        time.sleep(_POLL_SECONDS)
    remove_files(home_of(name))
