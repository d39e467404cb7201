"""The options of solver channels are ones that gRPC knows: it ignores all others without a word."""

from pathlib import Path

import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined] # an extension without stubs

from scheduler.rpc import endpoint

KNOWN_TO_PYTHON = {"grpc.service_config"}


@pytest.mark.parametrize("side", ["SERVER_OPTIONS", "_CHANNEL_OPTIONS"])
def test_grpc_knows_every_option(side: str) -> None:
    library = Path(cygrpc.__file__).read_bytes()
    names = {name for name, _ in getattr(endpoint, side)} - KNOWN_TO_PYTHON
    assert {name for name in names if name.encode() + b"\0" not in library} == set()
