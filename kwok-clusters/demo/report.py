"""The closing tables."""

from collections.abc import Sequence

from auditor import Report
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.results import Domains, Figures, Reason, Spread

MEBIBYTE = 1024 * 1024


def print_report(console: Console, figures: Figures, memory_bytes: tuple[int, int], audit: Report) -> None:
    """Figures, reasons and troubles; the exit code follows from `is_good`."""
    console.print()
    console.print(_figures_table(figures, memory_bytes, audit))
    console.print()
    console.print(_reasons_table(figures.reasons))
    for trouble in troubles(figures, audit):
        console.print(Text(f"NOT AS IT SHOULD BE: {trouble}", style="bold red"))


def troubles(figures: Figures, audit: Report) -> list[str]:
    """All that is wrong; empty for a good run."""
    found = [*figures.troubles, *(finding.to_line() for finding in audit.violations)]
    if unseen := audit.too_little(figures.progress.pods_bound):
        found.append(unseen)
    return found


def _figures_table(figures: Figures, memory_bytes: tuple[int, int], audit: Report) -> Table:
    progress = figures.progress
    table = Table(box=box.SIMPLE_HEAD, show_header=False, title="What happened", title_justify="left", pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    row = table.add_row
    row("gangs placed", f"{progress.gangs_placed} of {progress.gangs} that can run, each whole or not at all")
    row("single pods bound", f"{progress.singles_bound} of {progress.singles}")
    for domains in figures.domains:
        row(f"{domains.level}s, {domains.kind}", _domains_text(domains))
    gangs, surplus = figures.surplus
    row("elastic gangs", f"{gangs} at their minimum, {surplus} more pods where there was room")
    lead_seconds, delay = figures.ahead
    if delay is not None:
        ahead = f"{lead_seconds:.1f} s before" if lead_seconds > 0 else "only after"
        row(
            "planned by template",
            f"places {ahead} its first pod existed, last bind {delay.largest:.2f} s after its last",
        )
    for number, (gang_seconds, single_seconds) in enumerate(
        zip(figures.gang_seconds, figures.single_seconds, strict=True), start=1
    ):
        row(f"time to gang, wave {number}", _spread(gang_seconds))
        row(f"time to pod, wave {number}", _spread(single_seconds))
    created, bound = figures.wave_pods_per_second
    row(
        "pods per second, wave 1",
        f"{created:,.0f} created, {bound:,.0f} bound; {figures.busiest_second:,} in the best second",
    )
    own, worker = (each / MEBIBYTE for each in memory_bytes)
    beside = f", its solver worker {worker:,.0f} MiB" if worker else "; it never needed its solver worker"
    row("scheduler's peak memory", f"{own:,.0f} MiB{beside}")
    seen = audit.seen
    rests_on = f"{seen.binds:,} binds, {seen.gangs} gangs, {seen.events:,} events, {seen.requests:,} audited requests"
    verdict = f"{len(audit.violations)} violations over {rests_on}"
    row("auditor", Text(verdict, style="bold red" if audit.violations else "green"))
    return table


def _domains_text(domains: Domains) -> str:
    return f"{domains.used} used by {domains.gangs} gangs; the fewest possible on an empty fleet: {domains.fewest}"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    if spread.count == 1:
        return f"{spread.largest:.2f} s"
    return f"p50 {spread.p50:.2f} s, p99 {spread.p99:.2f} s, max {spread.largest:.2f} s ({spread.count})"


def _reasons_table(reasons: Sequence[Reason]) -> Table:
    title = "What cannot run, and what its status says"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column("submitted")
    table.add_column("as")
    table.add_column("cause", no_wrap=True)
    table.add_column("message", overflow="fold")
    for reason in reasons:
        table.add_row(reason.name, reason.why, reason.cause or "-", reason.message or "-")
    return table
