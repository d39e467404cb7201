"""A scheduler extender that writes down which nodes it is asked about, and lets no pod go anywhere.

kube-scheduler asks its extenders after all of its own filters, with the names of the nodes that passed: the whole
feasible set of a pod. It does not ask when that set is empty. Every node is answered with "failed and unresolvable", so
the pod stays pending, nothing is preempted, and the cluster stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

REFUSAL = "parity: recorded"


class Recorder:
    """The feasible nodes of each pod by its UID, as kube-scheduler asked last; ``url`` is where it asks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.feasible: dict[str, frozenset[str]] = {}


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder that answers on a free port of 127.0.0.1 until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave as one packet: a second one would wait 40 ms for the first one's acknowledgement.
        wbufsize = -1

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            nodes = question["NodeNames"]
            recorder.feasible[question["Pod"]["metadata"]["uid"]] = frozenset(nodes)
            refused = dict.fromkeys(nodes, REFUSAL)
            answer = json.dumps({"NodeNames": [], "FailedAndUnresolvableNodes": refused}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
            """Requests are recorded, not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder = Recorder(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, name="extender")
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
