"""What is there now, without history: enough to judge room and minima, or to stand beside an audit log."""

import time

import aiohttp
import msgspec

from auditor.events import Event, Listed
from auditor.objects import KINDS, Kind, type_of
from auditor.sources.cluster import Cluster, path_of


class _List(msgspec.Struct):
    class Metadata(msgspec.Struct, rename="camel"):
        resource_version: str

    metadata: Metadata
    items: list[msgspec.Raw]


async def list_everything(cluster: Cluster) -> list[Event]:
    """One listing of each kind. Raises aiohttp.ClientError when the API server cannot be asked."""
    async with cluster.session() as session:
        return [await _list(session, kind) for kind in KINDS]


async def _list(session: aiohttp.ClientSession, kind: Kind) -> Listed:
    async with session.get(path_of(kind)) as response:
        if response.status == 404:
            return Listed(0, time.time(), kind, ())
        response.raise_for_status()
        found = msgspec.json.decode(await response.read(), type=_List)
    decoder = msgspec.json.Decoder(type_of(kind))
    objects = tuple(decoder.decode(item) for item in found.items)
    return Listed(int(found.metadata.resource_version), time.time(), kind, objects)
