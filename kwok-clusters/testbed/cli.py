"""The `bed` command: argument parsing and what people read; the work is done by `Bed` and its friends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from testbed import registry
from testbed.bed import Bed
from testbed.build import ensure_binaries
from testbed.errors import BedError
from testbed.fleet import fleet_names, load_fleet
from testbed.openb import import_openb
from testbed.options import DEFAULT_NAME, BedOptions
from testbed.progress import Progress

WATCH_INTERVAL_SECONDS = 0.5

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""
A real Kubernetes control plane on this machine, without containers: etcd, kube-apiserver and, as you like, kwok
(simulated nodes), kube-controller-manager and kube-scheduler.

The first `bed up` builds the binaries (about 8 minutes on 2 cores, once); later ones take seconds.

    bed up --detach --fleet tiny          start a bed with 4 nodes of 8 GPUs
    bed kubectl get nodes                 look at it
    export KUBECONFIG=$(bed kubeconfig)   or use your own tools
    bed down                              end it; nothing is left

Several beds run side by side: give each a `--name` (or set MUSTER_BED).
""",
)
fleet_app = typer.Typer(no_args_is_help=True, help="Add nodes to a running bed, remove them, list and import fleets.")
app.add_typer(fleet_app, name="fleet")

out = Console(highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Option("--name", envvar="MUSTER_BED", help="Which bed.")]
FleetSource = Annotated[str, typer.Argument(help="A name that `bed fleet list` shows, or a YAML file.")]


@app.command()
def up(
    name: Name = DEFAULT_NAME,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; end it by `bed down`.")
    ] = False,
    fleet: Annotated[
        str | None, typer.Option(help="Nodes to start with: a name that `bed fleet list` shows, or a file.")
    ] = None,
    kwok: Annotated[bool, typer.Option(help="Run the pods: ready, completed, deleted after their grace.")] = True,
    controller_manager: Annotated[
        bool,
        typer.Option(
            "--controller-manager", help="With kube-controller-manager: Jobs, disruption budgets, namespaces that end."
        ),
    ] = False,
    kube_scheduler: Annotated[
        bool, typer.Option("--kube-scheduler", help="With kube-scheduler, its client limits lifted.")
    ] = False,
    throughput: Annotated[
        bool, typer.Option("--throughput", help="Without request limits in kube-apiserver, for benchmarks.")
    ] = False,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="Write an audit log of bindings, evictions, pod deletes and PodGroup status."),
    ] = False,
    feature_gates: Annotated[
        list[str] | None, typer.Option("--feature-gates", help="`Gate=true`, for every component. May be repeated.")
    ] = None,
    runtime_config: Annotated[
        list[str] | None,
        typer.Option("--runtime-config", help="`group/version=true` for kube-apiserver. May be repeated."),
    ] = None,
) -> None:
    """Start a bed. In the foreground it ends with Ctrl-C; with `--detach` it stays until `bed down`."""
    options = BedOptions(
        name=name,
        fleet=fleet,
        kwok=kwok,
        controller_manager=controller_manager,
        kube_scheduler=kube_scheduler,
        throughput=throughput,
        audit=audit,
        feature_gates=tuple(feature_gates or ()),
        runtime_config=tuple(runtime_config or ()),
    )
    # A shell that starts us in the background leaves Ctrl-C ignored; whoever sends it all the same means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    bed = Bed.up(options, Progress())
    detached = False
    try:
        out.print(f"bed [bold]{name}[/bold] is up after {time.monotonic() - started:.1f} s at {bed.server}")
        out.print(f"  export KUBECONFIG={bed.kubeconfig}")
        if bed.audit_log:
            out.print(f"  audit log: {bed.audit_log}")
        if detach:
            bed.detach()
            detached = True
            out.print(f"  end it by: bed down --name {name}")
            return
        out.print("  Ctrl-C ends it")
        # `bed down` from elsewhere ends it as well.
        while registry.is_running(name):
            bed.check()
            time.sleep(WATCH_INTERVAL_SECONDS)
    finally:
        if not detached:
            bed.down()
            out.print(f"bed {name} is down")


@app.command()
def down(
    name: Name = DEFAULT_NAME,
    every: Annotated[bool, typer.Option("--all", help="All beds of this user.")] = False,
) -> None:
    """End a bed: its processes, data and logs are gone afterwards."""
    for each in registry.running_beds() if every else [name]:
        Bed.open(each).down()
        out.print(f"bed {each} is down")
    registry.sweep()


@app.command()
def status(name: Name = DEFAULT_NAME) -> None:
    """Show the components of a bed. The exit code is 1 when one of them died."""
    bed = Bed.open(name)
    out.print(f"bed [bold]{name}[/bold] at {bed.server}")
    for item in bed.status():
        if item["state"] != "absent":
            log_file = bed.log_file(item["name"])
            out.print(f"  {item['name']:24} {item['state']:8} {item['pid'] or '-':<8} {log_file}")
    bed.check()


@app.command("list")
def list_beds() -> None:
    """List the running beds."""
    names = registry.running_beds()
    for name in names:
        facts = registry.read_facts(name)
        out.print(f"{name:24} {facts.server:26} {facts.kubeconfig}")
    if not names:
        out.print("no bed is running")


@app.command()
def logs(
    component: Annotated[
        str, typer.Argument(help="etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, supervisor")
    ],
    name: Name = DEFAULT_NAME,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines from the end.")] = 200,
) -> None:
    """Print the log of a component."""
    path = Bed.open(name).log_file(component)
    if not path.exists():
        raise BedError(f"{component} has not run in bed {name}; its logs are {_log_names(path.parent)}")
    command = ["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), str(path)]
    os.execvp(command[0], command)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
def kubectl(context: typer.Context, name: Name = DEFAULT_NAME) -> None:
    """Run the bed's kubectl as admin; all further arguments are kubectl's: `bed kubectl get pods -A`."""
    command = Bed.open(name).kubectl_command(*context.args)
    raise typer.Exit(subprocess.run(command).returncode)


@app.command()
def kubeconfig(
    name: Name = DEFAULT_NAME,
    user: Annotated[str | None, typer.Option(help="Another user than admin; what it may do is up to RBAC.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group of that user. May be repeated.")] = None,
) -> None:
    """Print the path of a kubeconfig for the bed: admin's, or a fresh one for `--user`."""
    bed = Bed.open(name)
    out.print(str(bed.kubeconfig if user is None else bed.user_kubeconfig(user, group or [])))


@app.command()
def build() -> None:
    """Build the binaries that are missing, and print where they are."""
    for name, path in ensure_binaries(Progress()).items():
        out.print(f"{name:24} {path}")


@fleet_app.command("list")
def fleet_list() -> None:
    """List the fleets that come with the test bed."""
    table = Table("name", "nodes", "GPUs", "description", box=None)
    for name in fleet_names():
        fleet = load_fleet(name)
        table.add_row(name, f"{fleet.node_count():,}", f"{fleet.gpu_count():,}", fleet.description)
    Console().print(table)


@fleet_app.command("add")
def fleet_add(fleet: FleetSource, name: Name = DEFAULT_NAME) -> None:
    """Create the nodes of a fleet in a running bed."""
    result = Bed.open(name).add_fleet(fleet)
    out.print(f"added {result.count} nodes in {result.seconds:.1f} s ({result.per_second:.0f}/s)")


@fleet_app.command("remove")
def fleet_remove(fleet: FleetSource, name: Name = DEFAULT_NAME) -> None:
    """Delete the nodes of a fleet from a running bed."""
    result = Bed.open(name).remove_fleet(fleet)
    out.print(f"removed {result.statuses[200]} nodes in {result.seconds:.1f} s")


@fleet_app.command("import-openb")
def fleet_import_openb(
    node_list: Annotated[Path, typer.Argument(help="The trace's node list, CSV or CSV.gz.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The fleet file to write.")],
) -> None:
    """Turn a node list of the openb trace (Alibaba cluster-trace-gpu-v2023) into a fleet file."""
    output.write_text(import_openb(node_list, output.stem))
    fleet = load_fleet(output)
    out.print(f"{output}: {fleet.node_count():,} nodes, {fleet.gpu_count():,} GPUs, {len(fleet.shapes)} shapes")


def main() -> NoReturn:
    """Run the command line; what a person can mend is told without a traceback."""
    try:
        app(prog_name="bed", standalone_mode=True)
    except BedError as error:
        print(f"bed: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def _log_names(folder: Path) -> str:
    return ", ".join(sorted(path.stem for path in folder.glob("*.log")))
