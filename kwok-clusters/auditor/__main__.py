"""The auditor's command line: ``watch`` live, ``record`` for later, ``check`` a recording or an audit log."""

import argparse
import asyncio
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import aiohttp
import msgspec

from auditor.events import Event, ordered
from auditor.judge import Judge, judge
from auditor.report import Finding, Report
from auditor.running import BEGUN
from auditor.settings import Settings
from auditor.sources.auditlog import read_audit_log
from auditor.sources.cluster import Cluster, KubeconfigError, read_kubeconfig
from auditor.sources.listing import list_everything
from auditor.sources.live import Live
from auditor.sources.reader import Reader
from auditor.sources.recording import RecordingError, read_lines, write_line
from auditor.sources.watch import AccessDeniedError, Watch

TROUBLE = (AccessDeniedError, KubeconfigError, RecordingError, OSError, aiohttp.ClientError, msgspec.DecodeError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 when all promises hold, 1 when one is broken or too little was seen, 2 on trouble."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except TROUBLE as error:
        print(f"auditor: {error}", file=sys.stderr)
        return 2
    return code


def _watch(options: argparse.Namespace) -> int:
    """Judge live until told to stop, then add what the audit log says."""
    one = Judge(_settings(options))
    live = Live(one, _tell)
    cluster = read_kubeconfig(options.kubeconfig)
    asyncio.run(_until_told(lambda stop: live.run(cluster, stop, _tell_ready)))
    if options.audit_log:
        for requested in read_audit_log(options.audit_log):
            one.observe(requested)
    return _conclude(one.finish(time.time()), options)


def _record(options: argparse.Namespace) -> int:
    cluster = read_kubeconfig(options.kubeconfig)
    asyncio.run(_until_told(lambda stop: _write_recording(cluster, options.output_file, stop)))
    return 0


def _check(options: argparse.Namespace) -> int:
    """Judge afterwards. Time ends with the last event, or now for a listing."""
    events: list[Event] = []
    if options.recording:
        reader = Reader()
        events += [event for line in read_lines(options.recording) for event in reader.read(line)]
    elif options.kubeconfig:
        events += asyncio.run(list_everything(read_kubeconfig(options.kubeconfig)))
    else:
        print("auditor: check needs --recording, or --kubeconfig for a listing", file=sys.stderr)
        return 2
    now = max((event.at for event in events), default=0.0)
    if options.audit_log:
        events += read_audit_log(options.audit_log)
    return _conclude(judge(ordered(events), now, _settings(options)), options, with_found=not options.recording)


async def _write_recording(cluster: Cluster, path: Path, stop: asyncio.Event) -> None:
    with path.open("wb", buffering=1 << 20) as file:
        await Watch(cluster, lambda line: write_line(file, line)).run(stop, _tell_ready, lambda: None)


async def _until_told(work: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> None:
    """Run until SIGTERM, SIGINT, or the end of a piped standard input (whoever started us is gone)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, _read_or_stop, loop, stop)
    await work(stop)


def _read_or_stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(0, 4096):
        loop.remove_reader(0)
        stop.set()


def _tell_ready() -> None:
    print(BEGUN, file=sys.stderr, flush=True)


def _tell(finding: Finding) -> None:
    """Violations are told as they happen; everything stands in the report."""
    if finding.severity == "violation":
        print(f"auditor: {finding.to_line()}", file=sys.stderr, flush=True)


def _settings(options: argparse.Namespace) -> Settings:
    users = frozenset(options.scheduler_user) or Settings().scheduler_users
    # What is listed once is taken for settled: it has no time in which a gang could still be completed.
    is_listing = options.run is _check and not options.recording
    grace_seconds = 0.0 if is_listing else Settings().grace_seconds
    return Settings(
        scheduler_name=options.scheduler_name,
        scheduler_users=users,
        grace_seconds=grace_seconds if options.grace_seconds is None else options.grace_seconds,
        reaction_seconds=options.reaction_seconds,
    )


def _conclude(report: Report, options: argparse.Namespace, with_found: bool = False) -> int:
    text = report.to_json().decode() if options.output == "json" else report.to_text()
    print(text)
    if options.report:
        options.report.write_bytes(report.to_json())
    if too_little := report.too_little(options.min_binds, with_found):
        print(f"auditor: {too_little}", file=sys.stderr)
    return 1 if report.violations or too_little else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="auditor", description="Checks the scheduler's promises at the API server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    judging = argparse.ArgumentParser(add_help=False)
    defaults, users = Settings(), ", ".join(sorted(Settings().scheduler_users))
    add = judging.add_argument
    add("--audit-log", type=Path, metavar="FILE", help="the API server's audit log, as second source")
    add("--grace-seconds", type=float, metavar="N",
        help=f"how long a gang may be in part (default: {defaults.grace_seconds:g}, in a listing 0)")  # fmt: skip
    add("--reaction-seconds", type=float, default=defaults.reaction_seconds, metavar="N",
        help="how long it may act on what others have just changed (default: %(default)g)")  # fmt: skip
    add("--scheduler-name", default=defaults.scheduler_name, metavar="NAME",
        help="whose pods are judged (default: %(default)s)")  # fmt: skip
    add("--scheduler-user", action="append", default=[], metavar="USER",
        help=f"whose evictions are the scheduler's; may be repeated (default: {users})")  # fmt: skip
    add("--min-binds", type=int, default=0, metavar="N", help="fail when fewer binds were seen")
    add("--report", type=Path, metavar="FILE", help="write the report as JSON, too")
    add("-o", "--output", choices=("table", "json"), default="table", help="what to print")

    command = commands.add_parser("watch", parents=[judging], help="judge live until stopped, then report")
    command.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE")
    command.set_defaults(run=_watch)

    command = commands.add_parser("record", help="record the watch streams, unparsed, until stopped")
    command.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE")
    command.add_argument("-o", "--output-file", type=Path, required=True, metavar="FILE")
    command.set_defaults(run=_record)

    command = commands.add_parser("check", parents=[judging], help="judge a recording, or what is there now")
    command.add_argument("--recording", type=Path, metavar="FILE")
    command.add_argument("--kubeconfig", type=Path, metavar="FILE", help="list what is there now, without a recording")
    command.set_defaults(run=_check)
    return parser


if __name__ == "__main__":
    sys.exit(main())
