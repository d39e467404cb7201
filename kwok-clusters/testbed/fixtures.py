"""Fixtures that give tests a bed; a conftest takes them in by importing all names of `__all__`.

The binaries are built before the first test rather than inside a fixture: a test's time limit is shorter than a build.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from testbed.bed import Bed
from testbed.build import ensure_binaries
from testbed.errors import BedError
from testbed.options import BedOptions
from testbed.supervisor import last_lines

__all__ = ["MakeBed", "bed", "make_bed", "pytest_collection_finish", "pytest_runtest_makereport"]

FIXTURES = frozenset({"bed", "make_bed"})


class MakeBed:
    """Call it with options for a bed that ends with the module."""

    def __init__(self, stack: ExitStack) -> None:
        self.beds: list[Bed] = []
        self._stack = stack

    def __call__(self, options: BedOptions) -> Bed:
        bed = self._stack.enter_context(Bed.up(options))
        self.beds.append(bed)
        return bed


@pytest.fixture(scope="module")
def make_bed() -> Iterator[MakeBed]:
    """Brings up beds that end with the module. A component that died by itself fails the module's teardown."""
    with ExitStack() as stack:
        make = MakeBed(stack)
        yield make
        for made in make.beds:
            made.check()


@pytest.fixture(scope="module")
def bed(make_bed: MakeBed) -> Bed:
    """A bed with the fleet `tiny`, kwok and an audit log."""
    return make_bed(BedOptions(fleet="tiny", audit=True))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing, visibly, when one of the tests to be run needs a control plane."""
    needed = any(
        item.get_closest_marker("cluster") or FIXTURES.intersection(getattr(item, "fixturenames", ()))
        for item in session.items
    )
    if session.config.option.collectonly or not needed:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        ensure_binaries()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of every component's log to the report of a test that failed on a bed."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for used in value.beds if isinstance(value, MakeBed) else [value]:
                if isinstance(used, Bed):
                    report.sections += _log_sections(used)
    return report


def _log_sections(bed: Bed) -> list[tuple[str, str]]:
    try:
        components = bed.status()
    except BedError as error:
        return [(f"bed {bed.name}", str(error))]
    return [
        (f"bed {bed.name}: {item['name']} ({item['state']})", last_lines(bed.log_file(item["name"])))
        for item in components
        if item["state"] != "absent"
    ]
