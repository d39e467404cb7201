"""What the server's watch streams look like to our client."""

import asyncio
import gc

import pytest
from testbed import Bed

from scheduler.kube.client import ApiClient
from scheduler.kube.credentials import from_kubeconfig

WATCH_LIST = (
    "watch=1&allowWatchBookmarks=true&timeoutSeconds=5&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
)

pytestmark = pytest.mark.cluster


async def begun(bed: Bed, kind: str) -> str:
    """Opens a streamed list and leaves it at once; how it is encoded."""
    async with (
        ApiClient(from_kubeconfig(bed.kubeconfig)) as client,
        client.stream(f"/api/v1/{kind}?{WATCH_LIST}", quiet_seconds=10.0) as answer,
    ):
        assert answer.status == 200
        return answer.headers.get("Content-Encoding", "")


def test_a_streamed_list_is_not_compressed(bed: Bed) -> None:
    """Compressed streams pack every event by itself, at the API server's cost."""
    assert asyncio.run(begun(bed, "nodes")) == ""


def test_a_stream_left_in_its_middle_leaves_nothing_open(bed: Bed) -> None:
    """What stayed open would be found, as a warning, when the garbage is collected: warnings are errors here."""
    for _ in range(10):
        asyncio.run(begun(bed, "pods"))
    gc.collect()
