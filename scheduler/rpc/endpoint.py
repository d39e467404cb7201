"""Where a solver listens, and how to reach it."""

from __future__ import annotations

from pathlib import Path

import grpc
import grpc.aio
import msgspec

MESSAGE_BYTES_MAX = 64 * 2**20
"""Of one request or response, on both sides; the reasoning stands in ``solver.proto``."""

_MESSAGE_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
)

SERVER_OPTIONS = (
    *_MESSAGE_OPTIONS,
    # The client's keepalive pings are welcome; a server's default is to end connections that ping so often.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

_CHANNEL_OPTIONS = (
    *_MESSAGE_OPTIONS,
    # A worker that was replaced is back within a second; gRPC's own 1 s to 120 s would miss it for many cycles.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A host that vanished is noticed even though nothing closes the connection.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A name with several addresses is several servers, asked in turn.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    # Else channels to one address share a connection and its backoff; a health check must not depend on the client.
    ("grpc.use_local_subchannel_pool", 1),
)


class Endpoint(msgspec.Struct, frozen=True):
    """A solver's address, ``unix:/path`` or ``host:port``; TLS when ``ca_file`` (PEM) is given, else plaintext."""

    target: str
    ca_file: Path | None = None


def open_channel(endpoint: Endpoint) -> grpc.aio.Channel:
    """A channel that connects when first used. OSError when the CA file cannot be read."""
    if endpoint.ca_file is None:
        return grpc.aio.insecure_channel(endpoint.target, options=_CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(root_certificates=endpoint.ca_file.read_bytes())
    return grpc.aio.secure_channel(endpoint.target, credentials, options=_CHANNEL_OPTIONS)
