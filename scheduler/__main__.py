"""The `muster` command: argument parsing only."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="muster",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Muster places GPU gangs: a Kubernetes scheduler and batch queue that decides places, queues and topology
    together."""


@app.command()
def run(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig file; unset: in-cluster, else $KUBECONFIG, else ~/.kube/config.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig; unset: its current one.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file, or a name in ./policies; unset: the default policy.")
    ] = None,
    scheduler_name: Annotated[str | None, typer.Option(help="Our spec.schedulerName in pods; default muster.")] = None,
    lease_namespace: Annotated[str | None, typer.Option(help="Namespace of the lease; default muster-system.")] = None,
    identity: Annotated[str | None, typer.Option(help="Our name on the lease; unset: $POD_NAME or a new one.")] = None,
    lease_duration_seconds: Annotated[float | None, typer.Option(help="How long a lease holds; default 15.")] = None,
    connections: Annotated[int | None, typer.Option(help="Connections for binds and records; default 24.")] = None,
    solver_endpoint: Annotated[str | None, typer.Option(help="host:port or unix:PATH; unset: start a solver.")] = None,
    listen: Annotated[str | None, typer.Option(help="Metrics and health; '' for none; default 127.0.0.1:8080.")] = None,
    log_format: Annotated[str | None, typer.Option(help="console (default) or json.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info (default), warning or error.")] = None,
) -> None:
    """Run the scheduler against a cluster until it is told to stop.

    Every option may also be given in the environment: --log-level as
    MUSTER_LOG_LEVEL. The lease's name only there, as MUSTER_LEASE_NAME.

    Exit codes: 0 stopped by a signal, 1 an internal error, 2 bad settings,
    policy, credentials or permissions. More: docs/guide/operations.md
    """
    from scheduler.entry import run_process

    flags: dict[str, Any] = {name: value for name, value in locals().items() if name != "run_process"}
    raise typer.Exit(run_process({name: value for name, value in flags.items() if value is not None}))


class Output(StrEnum):
    TEXT = "text"
    YAML = "yaml"
    JSON = "json"


@app.command()
def decide(
    file: Annotated[list[Path], typer.Option("--file", "-f", help="Scenario file, or a folder of them; repeatable.")],
    check: Annotated[bool, typer.Option("--check", help="Compare with what each scenario expects.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print the plan.")] = Output.TEXT,
    policy: Annotated[str | None, typer.Option(help="Policy (name or file) in place of what the files name.")] = None,
) -> None:
    """Decide a scenario file and print the plan: places, verdicts with their numbers, and proven bounds.

    With --check each scenario is compared with its `expect`, one line each.

    Exit codes: 0 as expected, 1 a difference, 2 bad input.
    The format is described in docs/guide/scenarios.md
    """
    from scheduler.entry import decide_files

    raise typer.Exit(decide_files(file, check, output.value, policy))


policy_app = typer.Typer(help="Policies: which rules are on, in which order, with what numbers.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")


@policy_app.command("check")
def policy_check(file: Annotated[Path, typer.Argument(help="Policy file, or a name in ./policies.")]) -> None:
    """Check a policy file; every trouble is a line with file, line, key and remedy. Exit codes: 0 valid, 2 not."""
    from scheduler.entry import check_policy

    raise typer.Exit(check_policy(file))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"muster {distribution_version('muster-scheduler')}")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
