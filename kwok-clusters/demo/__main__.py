"""`python -m demo`: argument parsing only."""

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer
from testbed import BedError

from demo.course import Options, run
from demo.process import SchedulerDiedError
from demo.screen import Screen
from demo.workload import UnfitFleetError

DEFAULT_FLEET = "dgx-256"
INTERRUPTED = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    fleet: Annotated[str, typer.Option(help="A fleet of kwok-clusters/fleets, or a file.")] = DEFAULT_FLEET,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the control plane up at the end.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Only the first wave: no waiting for room.")] = False,
) -> None:
    """Show the scheduler at work: a simulated GPU fleet under a real control plane, gangs, reasons, an auditor.

    Exit codes: 0 everything is as it should be, 1 it is not, 2 the show could not run, 130 interrupted.
    """
    screen = Screen()
    try:
        code = run(Options(fleet, keep, quick), screen)
    except (BedError, UnfitFleetError, SchedulerDiedError, RuntimeError) as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("demo: interrupted; nothing is left running", file=sys.stderr)
        code = INTERRUPTED
    raise typer.Exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    app()
