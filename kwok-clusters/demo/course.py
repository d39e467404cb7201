"""The course of the show: bed, scheduler, auditor, two waves of work, judgement."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from auditor import Audit, auditing
from testbed import Bed, BedError, BedOptions
from testbed.fleet import Fleet, load_fleet
from testbed.locations import REPOSITORY, beds_folder
from testbed.progress import Progress as BuildProgress

from demo.observer import Observer
from demo.process import Scheduler, command, scheduling
from demo.report import print_report, troubles
from demo.results import Judge, Progress
from demo.screen import Screen
from demo.workload import Site, Wave, asked_gpus, cluster_objects, first_wave, second_wave

KEPT_NAME = "demo"
LOG_FILE = REPOSITORY / "out" / "demo" / "scheduler.log"
NAMESPACE, ACCOUNT = "muster-system", "muster"
FIRST_WAVE_SECONDS_MAX = 15.0
"""The second wave comes when all of the first is bound, at the latest after so long."""
WAIT_SECONDS_MAX = 60.0
"""For everything to be bound and explained. What is missing then is told as a trouble."""
TEMPLATED_PODS_AFTER_SECONDS = 3.0
SETTLE_SECONDS = 1.0
"""Time for a bind too many to show itself."""
LOOK_SECONDS = 0.1
SERVED_SECONDS_MAX = 20.0
CREATED_AT_ONCE = 150


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    fleet: str
    keep: bool
    quick: bool


def run(options: Options, screen: Screen) -> int:
    """The whole show; the exit code is 0 when everything is as it should be, else 1.

    Raises BedError, UnfitFleetError, SchedulerDiedError. Whatever happens, nothing is left running, but for the bed
    when it is to be kept.
    """
    fleet = load_fleet(options.fleet)
    site = Site.of(fleet)
    waves = [first_wave(site)] if options.quick else [first_wave(site), second_wave(site)]
    name = KEPT_NAME if options.keep else None
    with ExitStack() as stack:
        bed = Bed.up(BedOptions(name=name, fleet=options.fleet, audit=True), BuildProgress())
        stack.callback(_end, bed, options.keep, screen)
        screen.say(f"a control plane with {fleet.node_count():,} nodes and {fleet.gpu_count():,} GPUs")
        return _play(bed, fleet, site, waves, screen)


def _play(bed: Bed, fleet: Fleet, site: Site, waves: list[Wave], screen: Screen) -> int:
    _install(bed)
    bed.create(cluster_objects(site))
    kubeconfig = bed.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    found: list[str] = []
    try:
        with (
            auditing(bed) as audit,
            Observer(bed).watching() as observer,
            scheduling(kubeconfig, LOG_FILE, beds_folder() / "ports") as scheduler,
        ):
            found = _show(bed, fleet, waves, observer, scheduler, audit, screen)
    except AssertionError:
        # The auditor's way to say that a promise is broken; the report has said so already.
        if not found:
            raise
    return 1 if found else 0


def _show(
    bed: Bed, fleet: Fleet, waves: list[Wave], observer: Observer, scheduler: Scheduler, audit: Audit, screen: Screen
) -> list[str]:
    """Submit, wait, print the tables; returns what is not as it should be."""
    screen.say("the objects and access rules of manifests/; scheduler and auditor as processes of their own")
    gangs, singles = (sum(len(getattr(wave, kind)) for wave in waves) for kind in ("gangs", "singles"))
    asked = " and then ".join(f"{asked_gpus(wave) / fleet.gpu_count():.0%}" for wave in waves)
    screen.say(f"submitting {gangs} gangs and {singles} single pods that ask for {asked} of all GPUs")
    judge = Judge(waves)
    with screen.live():
        _submit(bed, waves, judge, observer, scheduler, screen)
    memory_bytes = scheduler.peak_memory_bytes()
    with observer.lock:
        figures = judge.figures(observer.seen)
    report = audit.stop()
    print_report(screen.console, figures, memory_bytes, report)
    found = troubles(figures, report)
    if found:
        screen.console.print(scheduler.last_words(), markup=False)
    return found


def _install(bed: Bed) -> None:
    """What an administrator applies, but for the Deployment: the scheduler runs beside the bed."""
    parts = (f"--filename={REPOSITORY / 'manifests' / part}" for part in ("namespace.yaml", "crds", "rbac.yaml"))
    bed.kubectl("apply", "--server-side", *parts)
    deadline = time.monotonic() + SERVED_SECONDS_MAX
    # A kind that is established is not served at once.
    kinds = ",".join(f"{path.stem}.muster.dev" for path in (REPOSITORY / "manifests" / "crds").glob("*.yaml"))
    while (asked := bed.kubectl("get", kinds, "--all-namespaces", check=False)).returncode != 0:
        if time.monotonic() > deadline:
            raise BedError(f"the custom resources are not served: {asked.stderr.strip()}")
        time.sleep(LOOK_SECONDS)


def _submit(
    bed: Bed, waves: list[Wave], judge: Judge, observer: Observer, scheduler: Scheduler, screen: Screen
) -> None:
    """Submit wave after wave, then wait until everything is bound or explained."""

    def look_until(done: Callable[[Progress], bool], seconds_max: float) -> None:
        deadline = time.monotonic() + seconds_max
        while time.monotonic() < deadline:
            bed.check()
            scheduler.check()
            with observer.lock:
                progress = judge.progress(observer.seen)
            screen.show(progress)
            if done(progress):
                return
            time.sleep(LOOK_SECONDS)

    def create(objects: Sequence[dict[str, Any]]) -> None:
        # Piece by piece, so that an interruption does not have to wait for the rest.
        with ThreadPoolExecutor(1) as executor:
            for start in range(0, len(objects), CREATED_AT_ONCE):
                creating = executor.submit(bed.create, objects[start : start + CREATED_AT_ONCE])
                look_until(partial(_is_done, creating), WAIT_SECONDS_MAX)
                creating.result()

    first, *later = waves
    create(list(first.objects()))
    look_until(lambda _: False, TEMPLATED_PODS_AFTER_SECONDS)
    create([pod for gang in first.gangs if gang.templated for pod in gang.pod_objects()])
    alone = Judge([first])
    look_until(lambda _: _is_bound(alone, observer), FIRST_WAVE_SECONDS_MAX)
    for wave in later:
        create(list(wave.objects()))
    look_until(lambda progress: progress.complete, WAIT_SECONDS_MAX)
    look_until(lambda _: False, SETTLE_SECONDS)


def _is_done(future: Future[Any], _progress: Progress) -> bool:
    return future.done()


def _is_bound(judge: Judge, observer: Observer) -> bool:
    with observer.lock:
        progress = judge.progress(observer.seen)
    return progress.pods_bound == progress.pods


def _end(bed: Bed, keep: bool, screen: Screen) -> None:
    if not keep:
        bed.down()
        screen.say("everything is taken down")
        return
    bed.detach()
    kubeconfig = bed.home / f"service-account-{NAMESPACE}-{ACCOUNT}.kubeconfig"
    again = " ".join(command(kubeconfig, "127.0.0.1:8080"))
    screen.say("the bed is kept, without the scheduler. Look around, go on, or end it:")
    for line in (
        f"export KUBECONFIG={bed.kubeconfig}",
        "kwok-clusters/bed kubectl --name demo get mpg -A -o wide",
        "kwok-clusters/bed kubectl --name demo get pods -n research",
        again,
        "kwok-clusters/bed down --name demo",
    ):
        screen.console.print(f"    {line}", markup=False, soft_wrap=True)
