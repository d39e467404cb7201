"""Progress of long steps: one line that rewrites itself on a terminal, plain lines elsewhere, never long silence."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.status import Status

from testbed.supervisor import end_with_parent, last_lines

__all__ = ["Progress", "duration_words", "estimate_words", "last_lines"]

PLAIN_INTERVAL_SECONDS = 10.0
_REFRESH_SECONDS = 0.25


class Progress:
    """Says on standard error what is going on. Standard output belongs to the command's result."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._topic = ""
        self._said_at = 0.0

    @contextmanager
    def shown(self) -> Iterator["Progress"]:
        """Keep the live line on a terminal for the time of the block."""
        if not self._console.is_terminal:
            yield self
            return
        with self._console.status("") as self._status:
            yield self
        self._status = None

    def say(self, topic: str, elapsed_seconds: float, detail: str = "") -> None:
        """Report where we are. On a terminal it shows at once; elsewhere on a new topic and every ten seconds."""
        line = f"{topic}, {duration_words(elapsed_seconds)}" + (f", {detail}" if detail else "")
        now = time.monotonic()
        if self._status is not None:
            self._status.update(line)
        elif topic != self._topic or now - self._said_at >= PLAIN_INTERVAL_SECONDS:
            print(line, file=sys.stderr, flush=True)
            self._said_at = now
        self._topic = topic

    def done(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False, soft_wrap=True)

    def run(
        self,
        command: Sequence[str],
        *,
        log: Path,
        topic: str,
        detail: Callable[[], str] = lambda: "",
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command with its output in `log`, report meanwhile, and return its exit code.

        An interruption ends the command's whole process group: `go build` starts compilers of its own.
        """
        started = time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        try:
            while True:
                self.say(topic, time.monotonic() - started, detail())
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_REFRESH_SECONDS)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def duration_words(seconds: float) -> str:
    """`42 s`, `4 min 22 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def estimate_words(seconds: float) -> str:
    """As exact as an estimate deserves: `about 8 min`, `about 40 s`."""
    if seconds >= 90:
        return f"about {round(seconds / 60)} min"
    return f"about {max(round(seconds / 10), 1) * 10} s"
