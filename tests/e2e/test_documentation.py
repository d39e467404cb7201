"""What the documentation tells people to apply is accepted by the API server, and the demo ends well."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from testbed import Bed

from tests.e2e.raw_api import install_kinds

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/guide/quickstart.md", "docs/guide/queues.md", "docs/reference/objects.md")
DEMO_SECONDS_MAX = 200

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bed_with_kinds(bed: Bed) -> Bed:
    install_kinds(bed)
    bed.kubectl("create", "namespace", "vision")
    return bed


@pytest.mark.parametrize("page", PAGES)
def test_documented_objects_are_accepted(bed_with_kinds: Bed, page: str) -> None:
    snippets = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    assert snippets
    for snippet in snippets:
        bed_with_kinds.kubectl("apply", "--dry-run=server", "--filename=-", input=snippet)


def test_demo_ends_well() -> None:
    """The first wave alone, on a fleet with four GPU models, taints and CPU nodes."""
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--fleet", "mixed", "--quick"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "kwok-clusters")},
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS_MAX,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"auditor +0 violations over \d+ binds", done.stdout)
    assert re.search(r"too-wide .* needs \d+ GPUs in one rack", done.stdout)
