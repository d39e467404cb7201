"""The solver service between real processes: client here, worker there, a Unix socket or a port between."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import psutil
import pytest

from scheduler.model.policy import Policy
from scheduler.rpc import convert
from scheduler.rpc.client import Outcome, SolverClient
from scheduler.rpc.endpoint import Endpoint
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2_grpc
from scheduler.rpc.supervise import Loss, Pace, WorkerSupervisor
from scheduler.solver.problem import Incumbent, Put, QueueRoom, SolveRequest, SolveResult
from tests.unit.rpc.problems import sized_request

ROOT = Path(__file__).parents[2]
STAND_IN = (sys.executable, "-m", "tests.unit.rpc.stand_in_worker")
FAILED = SolveResult(None, "failed")
BRISK = Pace(check_interval_seconds=0.2, check_timeout_seconds=1.0, backoff_seconds=0.05)

pytestmark = [pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is run as a module of this repository."""
    monkeypatch.chdir(ROOT)


@asynccontextmanager
async def supervised(*options: str, pace: Pace = BRISK) -> AsyncIterator[tuple[WorkerSupervisor, SolverClient]]:
    async with (
        WorkerSupervisor((*STAND_IN, *options), pace) as worker,
        SolverClient(worker.endpoint) as client,
    ):
        await asyncio.wait_for(worker.serving.wait(), 60)
        yield worker, client


@contextmanager
def standing_alone(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], Endpoint]]:
    """A worker that nobody supervises, as one on another host is."""
    socket = directory / "solver.sock"
    process = subprocess.Popen([*STAND_IN, "--listen", f"unix:{socket}"])
    try:
        while not socket.exists():
            assert process.poll() is None
            time.sleep(0.02)
        yield process, Endpoint(f"unix:{socket}")
    finally:
        process.kill()
        process.wait()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def timed(solve: Awaitable[SolveResult]) -> tuple[SolveResult, float]:
    started = time.monotonic()
    return await solve, time.monotonic() - started


def puts_of(result: SolveResult) -> tuple[Put, ...]:
    assert result.incumbent is not None
    return result.incumbent.puts


async def answered(client: SolverClient) -> bool:
    return await client.solve(sized_request(node_score="quick"), 5.0) != FAILED


@pytest.mark.asyncio
async def test_the_last_of_a_stream_of_incumbents_is_the_answer() -> None:
    async with supervised() as (_, client):
        result = await client.solve(sized_request(node_score="quick"), 5.0)
        assert puts_of(result) == (Put(0, 0, 0, 3),)
        assert (result.end, result.variables) == ("optimal", 7)
        assert client.outcomes[Outcome.ANSWERED] == 1


@pytest.mark.asyncio
async def test_the_real_solver_places_and_proves() -> None:
    """Two gangs of 16 GPUs and racks of 16 nodes with 8: everything fits, and CP-SAT proves it."""
    plain = sized_request(class_count=32, gang_count=2)
    problem = replace(
        plain.problem,
        class_free=np.tile(np.array([64_000, 2**39, 8_000, 110], dtype=np.int64), (32, 1)),
        queues=(QueueRoom(-1, (-1, -1, -1, -1)),) * 2,
        goals=Policy().goals,
        rules=Policy().rules,
    )
    async with (
        WorkerSupervisor(pace=Pace(check_timeout_seconds=10.0)) as worker,
        SolverClient(worker.endpoint) as client,
    ):
        await asyncio.wait_for(worker.serving.wait(), 80)
        result = await client.solve(SolveRequest(problem, Incumbent((), ()), wall_seconds=10.0), 20.0)
    assert result.end == "optimal"
    assert result.variables > 0
    served = {gang: sum(put.count for put in puts_of(result) if put.gang == gang) for gang in (0, 1)}
    assert served == {0: 16, 1: 16}
    assert result.incumbent is not None
    assert all(score.value == score.bound for score in result.incumbent.scores)


@pytest.mark.asyncio
async def test_incumbents_arrive_while_the_solve_goes_on() -> None:
    async with supervised() as (worker, _), grpc.aio.insecure_channel(worker.endpoint.target) as channel:
        request = convert.request_to_pb(sized_request(node_score="steady", wall_seconds=30.0))
        call = solver_pb2_grpc.SolverServiceStub(channel).Solve(request, timeout=30)  # type: ignore[no-untyped-call]
        started = time.monotonic()
        steps = []
        async for response in call:
            score = response.incumbent.scores[0]
            assert (score.bound, response.end) == (100, pb.END_UNSPECIFIED)
            steps.append(score.value)
            if len(steps) == 5:
                break
        call.cancel()
        assert steps == [1, 2, 3, 4, 5]
        assert time.monotonic() - started < 10


@pytest.mark.asyncio
async def test_the_best_so_far_is_taken_at_the_deadline() -> None:
    async with supervised() as (_, client):
        result, seconds = await timed(client.solve(sized_request(node_score="steady", wall_seconds=30.0), 0.6))
        assert result.end == "deadline"
        assert puts_of(result)[0].count > 1
        assert 0.5 < seconds < 1.0
        assert client.outcomes[Outcome.CUT] + client.outcomes[Outcome.ANSWERED] == 1


@pytest.mark.asyncio
async def test_a_solve_that_uses_up_its_budget_says_so_before_the_deadline() -> None:
    async with supervised() as (_, client):
        result, seconds = await timed(client.solve(sized_request(node_score="steady", wall_seconds=0.3), 5.0))
        assert result.end == "deadline"
        assert puts_of(result)
        assert seconds < 2.5
        assert client.outcomes[Outcome.ANSWERED] == 1


@pytest.mark.asyncio
async def test_nothing_found_by_the_deadline_is_a_failure_at_the_deadline() -> None:
    async with supervised() as (_, client):
        result, seconds = await timed(client.solve(sized_request(node_score="barren", wall_seconds=30.0), 0.4))
        assert result == FAILED
        assert seconds < 0.8
        assert await answered(client), "the abandoned solve must have given its slot back"


@pytest.mark.asyncio
async def test_killing_the_worker_in_the_middle_costs_that_solve_only() -> None:
    async with supervised() as (worker, client):
        solve = asyncio.create_task(client.solve(sized_request(node_score="steady", wall_seconds=30.0), 10.0))
        await asyncio.sleep(0.3)
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        result, seconds = await timed(solve)
        assert result == FAILED
        assert seconds < 2.0, "a dead worker is noticed at once, not at the deadline"
        assert client.outcomes[Outcome.UNREACHABLE] == 1
        await until(lambda: worker.serving.is_set() and worker.pid != first)
        assert await answered(client)
        assert worker.losses[Loss.DIED] == 1


@pytest.mark.asyncio
async def test_a_crash_of_native_code_stays_in_the_worker() -> None:
    async with supervised() as (worker, client):
        assert await client.solve(sized_request(node_score="crash"), 5.0) == FAILED
        await until(lambda: worker.losses[Loss.DIED] == 1)
        await until(worker.serving.is_set)
        assert await answered(client)


@pytest.mark.asyncio
async def test_a_stopped_worker_is_detected_and_replaced() -> None:
    async with supervised() as (worker, client):
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        result, seconds = await timed(client.solve(sized_request(node_score="quick"), 0.5))
        assert result == FAILED
        assert seconds < 0.9
        await until(lambda: worker.losses[Loss.HUNG] == 1)
        await until(worker.serving.is_set)
        assert worker.pid != first
        assert not psutil.pid_exists(first)
        assert await answered(client)


@pytest.mark.asyncio
async def test_a_worker_whose_solve_does_not_stop_is_replaced() -> None:
    async with supervised("--overrun-seconds-max", "0.3") as (worker, client):
        result = await client.solve(sized_request(node_score="deaf"), 0.3)
        assert (result.end, puts_of(result)) == ("deadline", (Put(0, 0, 0, 1),))
        await until(lambda: worker.losses[Loss.OVERRAN] == 1)
        await until(worker.serving.is_set)
        assert await answered(client)


@pytest.mark.asyncio
async def test_two_clients_share_one_worker() -> None:
    async with supervised() as (worker, one), SolverClient(worker.endpoint) as other:
        request = sized_request(node_score="steady", wall_seconds=0.3)
        results = await asyncio.gather(one.solve(request, 5.0), other.solve(request, 5.0))
        assert all(puts_of(result) for result in results)
        assert one.outcomes[Outcome.ANSWERED] == other.outcomes[Outcome.ANSWERED] == 1


@pytest.mark.asyncio
async def test_a_full_queue_refuses_at_once_and_an_abandoned_solve_frees_its_slot() -> None:
    async with supervised("--queue-length-max", "1") as (_, client):
        long = sized_request(node_score="steady", wall_seconds=30.0)
        running = [asyncio.create_task(client.solve(long, 20.0)) for _ in range(2)]
        await asyncio.sleep(0.5)
        result, seconds = await timed(client.solve(long, 20.0))
        assert (result, client.outcomes[Outcome.REFUSED]) == (FAILED, 1)
        assert seconds < 2.0
        for solve in running:
            solve.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        async with asyncio.timeout(2):
            while not await answered(client):
                await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_a_solver_that_fails_is_a_failure_with_its_reason(capfd: pytest.CaptureFixture[str]) -> None:
    async with supervised() as (_, client):
        assert await client.solve(sized_request(node_score="unable"), 5.0) == FAILED
        assert client.outcomes[Outcome.FAILED] == 1
        assert "unknown rule 'gravity'" in capfd.readouterr().out
        assert await answered(client)


@pytest.mark.asyncio
async def test_an_answer_about_something_else_is_a_failure() -> None:
    async with supervised() as (_, client):
        assert await client.solve(sized_request(node_score="outside"), 5.0) == FAILED
        assert client.outcomes[Outcome.GARBLED] == 1


@pytest.mark.asyncio
async def test_a_request_of_a_newer_revision_is_refused_not_misread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with supervised() as (_, client):
        monkeypatch.setattr(convert, "REVISION", convert.REVISION + 1)
        assert await client.solve(sized_request(node_score="quick"), 5.0) == FAILED
        assert client.outcomes[Outcome.INCOMPATIBLE] == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(("class_count", "gang_count"), [(1_000, 100), (5_000, 1_000)])
async def test_a_large_problem_arrives_whole(class_count: int, gang_count: int) -> None:
    request = sized_request(class_count, gang_count, 4, node_score="echo")
    async with supervised() as (_, client):
        result, seconds = await timed(client.solve(request, 10.0))
        assert result.incumbent == Incumbent(request.start.puts, request.start.scores)
        assert result.variables == gang_count
        assert seconds < 5.0


@pytest.mark.asyncio
async def test_a_large_problem_is_not_converted_on_the_event_loop() -> None:
    """Looks at the CPU time of the loop's own thread, which other work on the machine does not lengthen.

    It says nothing about how long the other thread holds the interpreter lock in one call; that has to be measured.
    """
    request = sized_request(5_000, 2_000, 8, node_score="echo")
    async with supervised() as (_, client):
        solve = asyncio.create_task(client.solve(request, 20.0))
        longest_cpu_seconds = 0.0
        while not solve.done():
            started = time.thread_time()
            await asyncio.sleep(0)
            longest_cpu_seconds = max(longest_cpu_seconds, time.thread_time() - started)
        assert (await solve).incumbent is not None
        assert longest_cpu_seconds < 0.03


@pytest.mark.asyncio
async def test_no_solver_at_all_is_a_failure_long_before_the_deadline(tmp_path: Path) -> None:
    async with SolverClient(Endpoint(f"unix:{tmp_path}/nobody.sock")) as client:
        result, seconds = await timed(client.solve(sized_request(), 10.0))
        assert (result, client.outcomes[Outcome.UNREACHABLE]) == (FAILED, 1)
        assert seconds < 2.0


@pytest.mark.asyncio
async def test_a_port_serves_as_well_as_a_socket(unused_tcp_port: int) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    process = subprocess.Popen([*STAND_IN, "--listen", address])
    try:
        async with SolverClient(Endpoint(address)) as client:
            async with asyncio.timeout(20):
                while await client.solve(sized_request(node_score="quick"), 5.0) == FAILED:
                    await asyncio.sleep(0.1)
    finally:
        process.kill()
        process.wait()


@pytest.mark.asyncio
async def test_sigterm_ends_a_busy_worker_cleanly_and_the_client_keeps_what_was_found(tmp_path: Path) -> None:
    with standing_alone(tmp_path) as (process, endpoint):
        async with SolverClient(endpoint) as client:
            solve = asyncio.create_task(client.solve(sized_request(node_score="steady", wall_seconds=30.0), 20.0))
            await asyncio.sleep(0.5)
            process.terminate()
            result = await solve
            assert (result.end, client.outcomes[Outcome.ANSWERED]) == ("deadline", 1)
            assert puts_of(result)
            assert await asyncio.to_thread(process.wait, 10) == 0


@pytest.mark.asyncio
async def test_the_worker_and_its_socket_end_with_the_supervisor() -> None:
    async with supervised() as (worker, _):
        pid = worker.pid
        assert pid is not None
        socket = Path(worker.endpoint.target.removeprefix("unix:"))
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert not psutil.pid_exists(pid)
    assert not socket.parent.exists()


@pytest.mark.asyncio
async def test_a_solve_that_finds_nothing_stops_when_its_client_leaves() -> None:
    async with supervised() as (_, client):
        solve = asyncio.create_task(client.solve(sized_request(node_score="barren", wall_seconds=60.0), 60.0))
        await asyncio.sleep(0.3)
        solve.cancel()
        assert await answered(client)


def test_the_worker_ends_at_the_end_of_its_input(tmp_path: Path) -> None:
    command = [*STAND_IN, "--end-with-parent", "--listen", f"unix:{tmp_path}/solver.sock"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


ORPHANING_PROGRAM = """
import asyncio, sys
from scheduler.rpc.supervise import WorkerSupervisor

async def main():
    async with WorkerSupervisor(sys.argv[1:]) as worker:
        await worker.serving.wait()
        print(worker.pid, worker.endpoint.target.removeprefix("unix:"), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_the_worker_ends_when_its_supervisor_is_killed(stopped: bool) -> None:
    command = [sys.executable, "-c", ORPHANING_PROGRAM, *STAND_IN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        first, socket = parent.stdout.readline().split()
        pid = int(first)
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived the process that started it"
        time.sleep(0.02)
    # Nobody was left to remove it.
    shutil.rmtree(Path(socket).parent)


@pytest.mark.asyncio
async def test_a_command_that_cannot_be_run_is_tried_again_and_reported() -> None:
    async with WorkerSupervisor(("/nonexistent/worker",), BRISK) as worker, SolverClient(worker.endpoint) as client:
        await until(lambda: worker.losses[Loss.NOT_STARTED] >= 2)
        assert await client.solve(sized_request(), 5.0) == FAILED
