"""A scheduler process in the virtual world: the engine, its watches, its requests on their way, and its death.

What `scheduler.kube` and the runtime do in the real world, with the same wire module and the same engine.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial

from scheduler.core.decide import decide
from scheduler.core.drive import parts
from scheduler.core.engine import Engine
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.effects import Effect
from scheduler.model.events import Event
from scheduler.model.policy import Policy
from scheduler.sim.chance import Chance
from scheduler.sim.log import EventLog
from scheduler.sim.server import Answer, ApiServer
from scheduler.sim.streams import Streams
from scheduler.solver.problem import SolveRequest, SolveResult
from scheduler.wire.requests import Request, event_for, request_for

REQUEST_TIMEOUT_SECONDS = 3.0
TICK_SECONDS = 1.0

Solve = Callable[[SolveRequest], SolveResult]


class Moment(StrEnum):
    """Where in the life of an effect a process may die."""

    ASKED = "asked for, not performed"
    PERFORMED = "performed, its answer not heard"
    ANSWERED = "answered"


class Process:
    """``interrupt`` is asked at every moment of every effect, and says whether the process dies there. With
    ``sent_survives`` the requests that were on their way when it dies still arrive; ``slowed`` gives the seconds that
    a request takes beyond the ordinary."""

    def __init__(
        self,
        name: str,
        epoch: int,
        policy: Policy,
        server: ApiServer,
        chance: Chance,
        log: EventLog,
        solve: Solve,
    ) -> None:
        self.name = name
        self.epoch = epoch
        self.engine = Engine(policy)
        self.dead = False
        self.sent_survives = False
        self.interrupt: Callable[[Effect, Moment], bool] = lambda _effect, _moment: False
        self.slowed: Callable[[Effect], float] = lambda _effect: 0.0
        self.on_death: Callable[[], None] = lambda: None
        self._policy = policy
        self._server = server
        self._clock = server.clock
        self._chance = chance
        self._log = log
        self._solve = solve
        self._streams = Streams(server, chance, self.tell, lambda: self.dead)

    def start(self) -> None:
        """Take the lease, then read everything that stands before acting on any of it."""
        self.tell(ev.Leading(self.epoch))
        self._streams.open()
        self._clock.after(TICK_SECONDS, self._tick)

    def depose(self) -> None:
        """Another process has the lease; this one learns of it now."""
        self.tell(ev.Deposed())

    def die(self) -> None:
        if not self.dead:
            self.dead = True
            self._streams.close()
            self._note("dies")
            self.on_death()

    def tell(self, event: Event) -> None:
        """Tell the engine something, and set out to do what it asks for."""
        if self.dead:
            return
        self._start(self.engine.handle((event,), self._clock.now_seconds))
        while self.engine.busy:
            self._start(self.engine.handle((), self._clock.now_seconds))

    def _tick(self) -> None:
        if not self.dead:
            self.tell(ev.Ticked())
            self._clock.after(TICK_SECONDS, self._tick)

    def _start(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ef.Decide):
                self._decide()
                continue
            request = request_for(effect, self._clock.now_seconds)
            delay = self._chance.seconds(self._chance.odds.send_seconds) + self.slowed(effect)
            self._clock.after(delay, partial(self._arrive, effect, request))

    def _decide(self) -> None:
        """The decision is made from the snapshot of this moment; its plan comes when it has been thought about."""
        answers: list[Event]
        if self._chance.happens(self._chance.odds.failed_decision):
            answers = [ev.PlanFailed("the solver worker died")]
        else:
            snapshot = self.engine.snapshot()
            deciding = decide(snapshot, self._policy, self._clock.now_seconds, self._policy.budget)
            plans = parts(deciding, self._solve)
            answers = [ev.Planned(plan) for plan in plans]
            placed = sum(len(plan.decisions) for plan in plans)
            self._note(f"plans {placed} of {len(snapshot.pending)} from {plans[-1].made_from} in {len(plans)} parts")
        delay = 0.0
        for answer in answers:
            delay += self._chance.seconds(self._chance.odds.decide_seconds)
            self._clock.after(delay, partial(self.tell, answer))

    def _arrive(self, effect: Effect, request: Request) -> None:
        if self.dead and not self.sent_survives:
            return
        if not self.dead and self.interrupt(effect, Moment.ASKED):
            self.die()
            return
        if self._chance.happens(self._chance.odds.lost_request):
            self._hear_nothing(effect)
            return
        answer = self._server.handle(request, self.name)
        if self.dead:
            return
        if self.interrupt(effect, Moment.PERFORMED):
            self.die()
        elif self._chance.happens(self._chance.odds.lost_answer):
            self._hear_nothing(effect)
        else:
            delay = self._chance.seconds(self._chance.odds.answer_seconds)
            self._clock.after(delay, lambda: self._hear(effect, answer))

    def _hear(self, effect: Effect, answer: Answer) -> None:
        if self.dead:
            return
        self.tell(event_for(effect, answer.status, answer.body))
        if self.interrupt(effect, Moment.ANSWERED):
            self.die()

    def _hear_nothing(self, effect: Effect) -> None:
        lost = ev.Failed(effect, 0, "no answer in time")
        self._clock.after(REQUEST_TIMEOUT_SECONDS, lambda: self.tell(lost))

    def _note(self, text: str) -> None:
        self._log.note(self._clock.now_seconds, f"{self.name} {text}")
