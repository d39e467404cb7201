"""One control plane for all comparisons; the bed's binaries are built before the first test."""

from collections.abc import Iterator

import pytest
from testbed.fixtures import pytest_collection_finish

from tests.parity.cluster import Cluster

__all__ = ["pytest_collection_finish"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.up() as cluster:
        yield cluster
