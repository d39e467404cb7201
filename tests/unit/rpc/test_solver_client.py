"""The client against servers that break the protocol, and over TLS."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scheduler.rpc import convert, endpoint
from scheduler.rpc.client import Outcome, SolverClient
from scheduler.rpc.endpoint import Endpoint
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.problem import Incumbent, Put, SolveResult
from tests.unit.rpc.problems import sized_request

FAILED = SolveResult(None, "failed")
NOTHING_YET = SolveResult(None, "deadline")
FOUND = Incumbent((Put(0, 0, 0, 1),), ())
IMPROVED = pb.SolveResponse(incumbent=convert.incumbent_to_pb(FOUND)).SerializeToString()
CLOSING = pb.SolveResponse(end=pb.END_OPTIMAL, variables=5).SerializeToString()
METHOD = "/muster.solver.v1.SolverService/Solve"


class Scripted(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Answers the Solve method with the given bytes, whatever is asked."""

    def __init__(self, answers: Sequence[bytes], method: str = METHOD, *, hangs: bool = False) -> None:
        self._answers = answers
        self._method = method
        self._hangs = hangs

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        async def answer(_request: bytes, _context: object) -> AsyncIterator[bytes]:
            for data in self._answers:
                yield data
            if self._hangs:
                await asyncio.sleep(60)

        return grpc.unary_stream_rpc_method_handler(answer) if details.method == self._method else None


@asynccontextmanager
async def serving(
    *answers: bytes, method: str = METHOD, credentials: grpc.ServerCredentials | None = None, hangs: bool = False
) -> AsyncIterator[str]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Scripted(answers, method, hangs=hangs),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answers", "result", "outcome"),
    [
        ([IMPROVED, CLOSING], SolveResult(FOUND, "optimal", 5), Outcome.ANSWERED),
        ([CLOSING], SolveResult(None, "optimal", 5), Outcome.ANSWERED),
        ([b"\xff\xff\xff junk"], FAILED, Outcome.GARBLED),
        ([IMPROVED, b"\xff\xff\xff junk"], FAILED, Outcome.GARBLED),
        ([IMPROVED], FAILED, Outcome.GARBLED),
        ([], FAILED, Outcome.GARBLED),
        ([CLOSING, IMPROVED], FAILED, Outcome.GARBLED),
        ([pb.SolveResponse(end=77).SerializeToString()], FAILED, Outcome.GARBLED),  # type: ignore[arg-type]
        (
            [
                pb.SolveResponse(incumbent=pb.Incumbent(puts=pb.Puts(gang=[0, 0], count=[1]))).SerializeToString(),
                CLOSING,
            ],
            FAILED,
            Outcome.GARBLED,
        ),
    ],
)
async def test_only_an_answer_that_keeps_to_the_protocol_counts(
    answers: list[bytes], result: SolveResult, outcome: Outcome
) -> None:
    async with serving(*answers) as address, SolverClient(Endpoint(address)) as client:
        assert await client.solve(sized_request(), 5.0) == result
        assert {key: count for key, count in client.outcomes.items() if count} == {outcome: 1}


@pytest.mark.asyncio
@pytest.mark.parametrize(("answers", "result"), [([IMPROVED], SolveResult(FOUND, "deadline")), ([], NOTHING_YET)])
async def test_what_came_is_enough_when_somebody_says_so(answers: list[bytes], result: SolveResult) -> None:
    enough = asyncio.Event()
    async with serving(*answers, hangs=True) as address, SolverClient(Endpoint(address)) as client:
        asyncio.get_running_loop().call_later(0.5, enough.set)
        async with asyncio.timeout(10.0):
            assert await client.solve(sized_request(), 60.0, enough) == result
        assert client.outcomes[Outcome.CUT] == 1


@pytest.mark.asyncio
async def test_a_server_without_this_service_is_incompatible() -> None:
    async with serving(method="/muster.solver.v9/Solve") as address, SolverClient(Endpoint(address)) as client:
        assert await client.solve(sized_request(), 5.0) == FAILED
        assert client.outcomes[Outcome.INCOMPATIBLE] == 1


@pytest.mark.asyncio
async def test_a_problem_that_cannot_be_sent_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    class_count = 2 * endpoint.MESSAGE_BYTES_MAX // (4 * 8)
    async with serving(CLOSING) as address, SolverClient(Endpoint(address)) as client:
        assert await client.solve(sized_request(class_count, gang_count=1), 30.0) == FAILED
        assert client.outcomes[Outcome.FAILED] == 1
    assert f"a message may have {endpoint.MESSAGE_BYTES_MAX}" in capsys.readouterr().out


def certificate_for_localhost(directory: Path) -> tuple[Path, grpc.ServerCredentials]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "solver")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "ca.pem"
    file.write_bytes(pem)
    return file, grpc.ssl_server_credentials([(private, pem)])


@pytest.mark.asyncio
async def test_with_a_ca_file_the_channel_is_tls_and_trusts_that_ca_only(tmp_path: Path) -> None:
    ca_file, credentials = certificate_for_localhost(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    other_ca_file, _ = certificate_for_localhost(other)
    async with serving(CLOSING, credentials=credentials) as address:
        target = address.replace("127.0.0.1", "localhost")
        for file, outcome in (
            (ca_file, Outcome.ANSWERED),
            (other_ca_file, Outcome.UNREACHABLE),
            (None, Outcome.UNREACHABLE),
        ):
            async with SolverClient(Endpoint(target, file)) as client:
                await client.solve(sized_request(), 5.0)
                assert client.outcomes[outcome] == 1, file
