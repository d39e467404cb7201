"""What is seen while it runs: a live panel on a terminal, a line every two seconds elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.results import Progress

PLAIN_INTERVAL_SECONDS = 2.0
PLAIN_WIDTH = 120


class Screen:
    """Everything the show prints goes through here, to standard output."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH
        self._started = time.monotonic()
        self._live: Live | None = None
        self._said_at = 0.0

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """A line that stays, with the time since the beginning."""
        self.console.print(f"[dim]{self.elapsed_seconds:5.1f} s[/]  {text}", soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep the panel on a terminal for the time of the block; lines that stay appear above it."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=8, transient=True) as self._live:
            yield
        self._live = None

    def show(self, progress: Progress) -> None:
        """How far it has come. May be called as often as you like."""
        if self._live is not None:
            self._live.update(_panel(progress, self.elapsed_seconds))
        elif time.monotonic() - self._said_at >= PLAIN_INTERVAL_SECONDS:
            self._said_at = time.monotonic()
            self.say(
                f"gangs {progress.gangs_placed}/{progress.gangs} placed, pods {progress.pods_bound}/{progress.pods} "
                f"bound, GPUs {progress.gpus_used:,}/{progress.gpus:,} in use, "
                f"{progress.explained}/{progress.unfit} that cannot run explained"
            )


def _panel(progress: Progress, elapsed_seconds: float) -> Group:
    rows = (
        ("gangs placed", progress.gangs_placed, progress.gangs),
        ("pods bound", progress.pods_bound, progress.pods),
        ("GPUs in use", progress.gpus_used, progress.gpus),
        ("explained why not", progress.explained, progress.unfit),
    )
    table = Table.grid(padding=(0, 2))
    for name, value, total in rows:
        bar = ProgressBar(total=max(1, total), completed=value, width=40)
        table.add_row(name, bar, Text(f"{value:,} of {total:,}", justify="right"))
    return Group(Text(f"{elapsed_seconds:5.1f} s", style="dim"), table)
