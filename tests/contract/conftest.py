"""The two API servers of the contract suite, each behind the same few calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scheduler.sim.chance import Chance
from scheduler.sim.clock import Clock
from scheduler.sim.schema import schemas_of
from scheduler.sim.server import ApiServer
from scheduler.sim.storage import VolumeController
from tests.contract.api import Api, RealApi, SimulatedApi
from tests.contract.stories import Story

CRDS = Path(__file__).parents[2] / "manifests" / "crds"


@pytest.fixture(scope="session")
def simulated_api() -> Api:
    definitions = [each for file in sorted(CRDS.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())]
    server = ApiServer(Clock(), schemas_of(definitions))
    VolumeController(server, Chance(0))
    return SimulatedApi(server)


@pytest.fixture(scope="session")
def real_api() -> Iterator[Api]:
    from testbed import Bed, BedOptions

    with Bed.up(BedOptions(kwok=False)) as bed:
        bed.apply(CRDS)
        bed.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield RealApi(bed.server, bed.token, bed.ca_file)


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.cluster)])
def story(request: pytest.FixtureRequest) -> Story:
    """A namespace of its own on one of the servers."""
    api: Api = request.getfixturevalue(f"{request.param}_api")
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:60].strip("-")
    code, _ = api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert code == 201
    return Story(api, name)
