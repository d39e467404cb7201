"""Running the auditor as a process of its own beside a test, a demo or a benchmark."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from auditor.report import Report
from auditor.settings import Settings

START_SECONDS_MAX = 30.0
BEGUN = "auditor: watching"  # What the process says when nothing is missed any more.
STOP_SECONDS_MAX = 60.0


class Bed(Protocol):
    """What the auditor needs to know of a control plane. ``audit_log`` is None where there is none."""

    @property
    def kubeconfig(self) -> Path: ...
    @property
    def audit_log(self) -> Path | None: ...


class Audit:
    """A running auditor; ``stop`` ends it. Its report can be read once it has stopped."""

    def __init__(self, process: subprocess.Popen[str], report_file: Path) -> None:
        self._process = process
        self._report_file = report_file
        self._report: Report | None = None
        self._begun = threading.Event()
        self._said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def report(self) -> Report:
        """The report of a stopped auditor."""
        assert self._report is not None, "the auditor has not been stopped yet"
        return self._report

    def wait_until_begun(self) -> None:
        """Wait until nothing is missed any more. RuntimeError when the auditor cannot start."""
        if not self._begun.wait(START_SECONDS_MAX) or self._process.poll() is not None:
            self._process.kill()
            raise RuntimeError(f"the auditor did not start: {''.join(self._said).strip() or 'it said nothing'}")

    def stop(self) -> Report:
        """Let the auditor judge what it has received, and read its report. RuntimeError when it has none."""
        if self._report is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS_MAX)
            finally:
                self._process.kill()
                self._process.wait()
            self._listener.join()
            if not self._report_file.exists():
                raise RuntimeError(f"the auditor ended without a report: {''.join(self._said).strip()}")
            self._report = Report.from_json(self._report_file.read_bytes())
        return self._report

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stderr:
            for line in stderr:
                self._said.append(line)
                if line.startswith(BEGUN):
                    self._begun.set()
        self._begun.set()


@contextmanager
def auditing(bed: Bed, settings: Settings | None = None, binds_min: int = 0) -> Iterator[Audit]:
    """Audit everything that happens inside the block; AssertionError with the report where a promise is broken.

    ``binds_min``: fail also when fewer binds were seen. A failure inside the block goes first: the report is then
    added to it as a note.
    """
    with tempfile.TemporaryDirectory(prefix="auditor-") as folder:
        report_file = Path(folder) / "report.json"
        audit = Audit(_start(bed, settings or Settings(), report_file), report_file)
        try:
            audit.wait_until_begun()
            yield audit
        except BaseException as failure:
            failure.add_note(_stopped_text(audit))
            raise
        report = audit.stop()
        if report.violations or report.too_little(binds_min):
            raise AssertionError(f"{report.to_text()}\n{report.too_little(binds_min)}".rstrip())


def _stopped_text(audit: Audit) -> str:
    try:
        return audit.stop().to_text()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return str(error)


def _start(bed: Bed, settings: Settings, report_file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "auditor", *_arguments(bed, settings, report_file)],
        cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal is for the test; the auditor ends with its standard input.
    )


def _arguments(bed: Bed, settings: Settings, report_file: Path) -> Sequence[str]:
    arguments = ["watch", "--kubeconfig", str(bed.kubeconfig.absolute()), "--report", str(report_file)]
    arguments += ["--scheduler-name", settings.scheduler_name, "--grace-seconds", str(settings.grace_seconds)]
    arguments += ["--reaction-seconds", str(settings.reaction_seconds)]
    for user in sorted(settings.scheduler_users):
        arguments += ["--scheduler-user", user]
    if bed.audit_log is not None:
        arguments += ["--audit-log", str(bed.audit_log.absolute())]
    return arguments
