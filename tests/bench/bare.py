"""The raw ceiling: a client that decides nothing and binds every pending pod, round-robin over the nodes.

python -m tests.bench.bare SERVER CA_FILE CONNECTIONS    (the token on standard input)
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
from pathlib import Path

import aiohttp


async def bind_all(server: str, token: str, ca_file: Path, connections: int) -> int:
    """How many pods were bound."""
    context = ssl.create_default_context(cafile=str(ca_file))
    connector = aiohttp.TCPConnector(limit=connections, ssl=context)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        async with session.get(f"{server}/api/v1/nodes") as answer:
            nodes = [each["metadata"]["name"] for each in json.loads(await answer.read())["items"]]
        async with session.get(f"{server}/api/v1/pods") as answer:
            pods = [
                each["metadata"] for each in json.loads(await answer.read())["items"] if "nodeName" not in each["spec"]
            ]
        gc.disable()
        todo = iter(enumerate(pods))

        async def work() -> int:
            done = 0
            for number, metadata in todo:
                body = json.dumps(
                    {
                        "apiVersion": "v1",
                        "kind": "Binding",
                        "metadata": {
                            "name": metadata["name"],
                            "uid": metadata["uid"],
                            "resourceVersion": metadata["resourceVersion"],
                        },
                        "target": {"kind": "Node", "name": nodes[number % len(nodes)]},
                    }
                ).encode()
                path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding"
                async with session.post(server + path, data=body) as answer:
                    await answer.read()
                    done += answer.status < 300
            return done

        return sum(await asyncio.gather(*(work() for _ in range(connections))))


if __name__ == "__main__":
    _, server, ca_file, connections = sys.argv
    print(asyncio.run(bind_all(server, sys.stdin.readline().strip(), Path(ca_file), int(connections))))
