"""Builds what is missing of the pinned binaries, once per content key.

Safe at any moment: a binary appears under its name by one rename, so an interrupted build continues with the next
missing one, and a second builder waits for the first and finds its work done.
"""

import os
import time
from pathlib import Path

from testbed import locations
from testbed.binaries import BINARIES, BUILD_ENVIRONMENT, Binary, binary_paths
from testbed.errors import BedError
from testbed.locks import locked
from testbed.progress import Progress, duration_words, estimate_words, last_lines
from testbed.toolchain import Go, expected_version, provide_go


def ensure_binaries(progress: Progress | None = None) -> dict[str, Path]:
    """Paths of all binaries by name, built first where they are missing (minutes on an empty cache)."""
    paths = binary_paths(expected_version())
    if all(path.exists() for path in paths.values()):
        return paths
    with (progress or Progress()).shown() as shown:
        _build_missing(paths, shown)
    return paths


def _build_missing(paths: dict[str, Path], progress: Progress) -> None:
    lock = locations.cache_folder() / "bed" / "build.lock"
    with locked(lock, lambda waited: progress.say("another process builds the binaries", waited)):
        missing = [binary for binary in BINARIES if not paths[binary.name].exists()]
        if not missing:
            return
        go = provide_go(progress)
        estimate = Estimate(missing)
        progress.done(
            f"Building {', '.join(binary.name for binary in missing)} with {go.version}, once: "
            f"{estimate_words(estimate.left_seconds(0.0))} on an empty Go cache, less on a warm one"
        )
        started = time.monotonic()
        for number, binary in enumerate(missing, start=1):
            _build(
                binary,
                paths[binary.name],
                go,
                f"building {binary.name} ({number} of {len(missing)})",
                estimate,
                progress,
            )
            progress.done(f"built {binary.name} in {duration_words(estimate.finish(binary))}")
        progress.done(f"Built {len(missing)} binaries in {duration_words(time.monotonic() - started)}")


def _build(binary: Binary, path: Path, go: Go, topic: str, estimate: "Estimate", progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | go.environment | BUILD_ENVIRONMENT
    log = path.with_name(f"{binary.name}.log")

    packages_log = path.with_name(f"{binary.name}.packages")
    listing = [str(go.command), "list", "-deps", binary.package]
    estimate.start()
    exit_code = progress.run(
        listing,
        log=packages_log,
        topic=f"{topic}: fetching modules",
        folder=binary.module.folder,
        environment=environment,
    )
    if exit_code != 0:
        raise BedError(f"could not fetch the modules of {binary.name}:\n{last_lines(packages_log)}")
    package_count = _line_count(packages_log)

    def detail() -> str:
        # `go build -v` names a package when it has compiled it; those in Go's own cache are not named.
        compiled = min(_line_count(log), package_count)
        left = estimate_words(estimate.left_seconds(compiled / package_count))
        return f"{compiled} of {package_count} packages compiled, {left} left in all"

    partial = path.with_name(f"{binary.name}.partial")
    exit_code = progress.run(
        [str(go.command), "build", "-v", "-ldflags", binary.module.link_flags, "-o", str(partial), binary.package],
        log=log,
        topic=topic,
        detail=detail,
        folder=binary.module.folder,
        environment=environment,
    )
    if exit_code != 0:
        raise BedError(f"could not build {binary.name}; the end of {log}:\n{last_lines(log)}")
    partial.rename(path)
    packages_log.unlink()
    log.unlink()


class Estimate:
    """What is left to build, from the measured shares of the binaries and the speed seen so far on this machine."""

    # The figures measured on two cores count like this much work seen on this machine, so that neither a warm cache
    # nor a slow start throws the estimate about.
    _PRIOR_SECONDS = 60.0

    def __init__(self, missing: list[Binary]) -> None:
        self._waiting = list(missing)
        self._cold_seconds_done = 0.0
        self._seconds_spent = 0.0
        self._started = time.monotonic()

    def start(self) -> None:
        """The next binary begins."""
        self._started = time.monotonic()

    def finish(self, binary: Binary) -> float:
        """The current binary is done; returns the seconds it took."""
        spent = time.monotonic() - self._started
        self._waiting.remove(binary)
        self._cold_seconds_done += binary.cold_seconds
        self._seconds_spent += spent
        self._started = time.monotonic()
        return spent

    def left_seconds(self, fraction: float) -> float:
        """Seconds until all is built, when `fraction` of the current binary is compiled."""
        current = self._waiting[0].cold_seconds * fraction
        done = self._cold_seconds_done + current
        spent = self._seconds_spent + time.monotonic() - self._started
        prior = self._PRIOR_SECONDS * 2 / min(os.cpu_count() or 2, 8)
        slowness = (spent + prior) / (done + self._PRIOR_SECONDS)
        return (sum(binary.cold_seconds for binary in self._waiting) - current) * slowness


def _line_count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
