"""Simulation: a user's own workflow, run in virtual time on nodes that crash as often as you like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

import anyio
import msgspec
from msgspec import Raw

from ...eventlog.errors import Invalid, Refused, Unavailable
from ...eventlog.faults import Fault, Plan
from ...eventlog.records import Append
from ...eventlog.streams import stream_of
from ..authoring.errors import Failure
from ..authoring.workflows import Workflow
from ..inspect.checking.watching import Watch, watching
from ..inspect.replay import fold, workflow_hash
from ..perform.interceptors import Interceptor
from ..requests import Answered, Applied, AwaitRun, Commanding, SignalRun, StartRun, UpdateRun
from ..resources import Resources, check_transactional
from ..run.events import CODEC, Recovered
from ..settings.node import Settings
from ..translating import stream_for
from . import checks
from .acts import RUN, Act, request_for
from .loop import run_seeded, stream_of_chance
from .weather import Weather
from .world import World

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = timedelta(days=14)
SETTINGS = Settings(drain_seconds=5.0, audit_seconds=0.0)


class Violation(AssertionError):
    """The history of a simulation broke a promise; the text says which, and the seed that plays it again."""


class Outcome(Generic[R]):
    """How a simulated run ended, and what it took."""

    def __init__(
        self,
        world: World,
        end: Applied,
        value: R | None,
        elapsed: timedelta,
        answers: Sequence[Answered] = (),
        refused: Sequence[Refused] = (),
    ) -> None:
        stream = stream_of("run", "default", RUN)
        self.status = end.status
        """completed, failed, cancelled or terminated."""
        self.value = value
        """What the workflow returned; None where it did not."""
        self.failure: Failure | None = end.failure
        self.answers: list[Any] = [answer.failure or msgspec.json.decode(answer.result) for answer in answers]
        """What the updates were answered, or the failure that their handler raised, in the order of the answers."""
        self.refused = list(refused)
        """What people were told whose acts came too late, or made no sense then."""
        self.crashes = sum(node.crashes for node in world.past)
        """How often a node crashed before the run had ended."""
        self.attempts = [(begun.effect, begun.attempt) for begun in world.journal.begun]
        """Every attempt of a step that began: (effect id, number of the attempt). One that was in flight at a crash is there twice."""
        self.events = [event for record in world.log.streams[stream] for event in CODEC.decode(record.data).events]
        self.content_digest = workflow_hash(fold(stream, world.log.streams[stream]))
        """What the run did, whatever befell it: equal to that of a run without crashes."""
        self.history_digest = world.digest()
        """What happened, in every detail: equal for equal seeds."""
        self.elapsed = elapsed
        """Virtual time from the start of the run to its end."""

    def __repr__(self) -> str:
        return f"<{self.status} after {self.crashes} crashes, {len(self.attempts)} attempts, {self.elapsed}: {self.value!r}>"


class AfterEveryAppend:
    """A plan that crashes the node after every new blob and every append that got the run on; a mere takeover passes."""

    def fault(self, number: int, appends: Sequence[Append]) -> Fault | None:
        runs = [append for append in appends if append.stream.startswith("run/")]
        gets_on = any(not isinstance(event, Recovered) for append in runs for event in CODEC.decode(append.data).events)
        return Fault("crash_after") if gets_on or not appends else None

    def unreadable(self) -> bool:
        return False


class ConstantSeed:
    """Ids of which every start of a node draws the same, so that a start repeated after a crash is the same start."""

    def __init__(self, seed: int) -> None:
        self._seed = stream_of_chance(seed, "run").getrandbits(63)

    def run_id(self, now: int) -> str:
        return RUN

    def seed(self) -> int:
        return self._seed


class Simulation:
    """A world made from one integer, for tests of your own workflows; the same integer gives the same history.

        def test_an_order_survives_any_crash() -> None:
            outcome = Simulation(1).run(fulfil, "o-1", 1200, crash_after_every_append=True, signals=[(5.0, "paid", True)])

            assert outcome.value == "shipped"

    Steps really run: give them in-memory doubles of what they talk to. A step waits by anyio, in virtual time: a sleep of a
    day takes no time. Everything is checked after the run (nothing lost, each effect recorded once, replay agrees,
    the run ends); what does not hold raises Violation. With `audit=True` states in memory and snapshots are held against the log as the
    run goes on, too, every virtual second. With `watch=True` so does each line of the workflow that calls what
    it may not: a clock, chance, a file, a socket, a thread.
    """

    def __init__(
        self,
        seed: int,
        *,
        nodes: int = 1,
        watch: bool = False,
        audit: bool = False,
        resources: Resources | None = None,
        interceptors: Iterable[Interceptor] = (),
    ) -> None:
        self.seed = seed
        self.nodes = nodes
        self.watch = watch
        self.settings = msgspec.structs.replace(SETTINGS, audit_seconds=1.0) if audit else SETTINGS
        self.resources = resources
        """As of perdure.open; what has a lifetime is opened anew by every start of a node."""
        self.interceptors = tuple(interceptors)

    def run(
        self,
        workflow: Callable[..., Coroutine[Any, Any, R]],
        /,
        *args: Any,
        crash_after_every_append: bool = False,
        crash_at_random: bool = False,
        weather: Weather | None = None,
        signals: Iterable[tuple[float, str, Any]] = (),
        updates: Iterable[tuple[float, str, Sequence[Any]]] = (),
        acts: Iterable[tuple[float, Act]] = (),
        also: Iterable[Workflow[..., Any]] = (),
        same_as_without: bool = True,
        within: timedelta = PATIENCE,
        **kwargs: Any,
    ) -> Outcome[R]:
        """Run a workflow to its end and check all that perdure promises of it.

        `crash_after_every_append` kills the node each time the run has got on by one write; `crash_at_random` at moments that
        the seed chooses; `weather` brings any faults you like. `signals`: (seconds after the start, name, value);
        `updates`: (seconds after the start, name, arguments), whose answers are in the outcome; `acts`: (seconds after the start,
        `Approve("ship")`, `Pause()`, `Complete("receipt", 12)` …), what people do to the run. The run is also
        played without faults, and must do the same (`same_as_without=False` where chance or races with time may decide otherwise).
        A run that has not ended `within` virtual time (fourteen days, if you say nothing) is a Violation, told with its events.
        """
        if not isinstance(workflow, Workflow):
            raise Invalid(
                "only a workflow can be simulated",
                who=repr(workflow),
                expected="a function decorated with @workflow",
                found=type(workflow).__name__,
                instead="decorate it with @workflow; a step is tested by calling it",
            )
        known: Workflow[..., R] = workflow  # pyright: ignore[reportUnknownVariableType]
        check_transactional(None, (known, *also))
        raw, _ = known.arguments.pair(args, kwargs)
        start = StartRun(workflow=known.name, version=known.version, arguments=raw, run=RUN, command="start")
        sent: list[tuple[float, SignalRun | UpdateRun | Act]] = [
            (seconds, SignalRun(run=RUN, name=name, value=Raw(msgspec.json.encode(value)), command=f"signal {number}"))
            for number, (seconds, name, value) in enumerate(signals)
        ]
        sent += [
            (seconds, UpdateRun(run=RUN, name=name, arguments=Raw(msgspec.json.encode(list(arguments))), command=f"update {number}"))
            for number, (seconds, name, arguments) in enumerate(updates)
        ]
        sent += acts
        play = _Play(self, known, (known, *also), start, sent, within)
        if crash_at_random:
            weather = weather or Weather(nodes={"crash": 0.5}, log={"crash_before": 0.1, "crash_after": 0.1}, seconds=60)
        plan = _after_every_append if crash_after_every_append else None
        watch = Watch() if self.watch else None
        try:
            with watching(watch):
                outcome: Outcome[R] = play.once(weather or Weather(), plan)
                if same_as_without and (weather or plan):
                    self._compare(play.once(Weather(), None), outcome)
        except Violation as broken:
            raise Violation(f"{broken}{_told(watch)}") from None
        if watch is not None and watch.findings:
            raise Violation(f"seed {self.seed}: the run did what was promised{_told(watch)}")
        return outcome

    def _compare(self, calm: Outcome[Any], outcome: Outcome[Any]) -> None:
        if calm.content_digest != outcome.content_digest:
            raise Violation(
                f"seed {self.seed}: the run did something else than without faults\n  without: {calm!r}\n  with:    {outcome!r}"
            )


def _told(watch: Watch | None) -> str:
    """What a watch saw, as lines of a Violation."""
    if watch is None or not watch.findings:
        return ""
    return "\n  the workflow's code depends on more than its log:" + "".join(f"\n  - {finding}" for finding in watch.findings)


def _after_every_append(owner: str) -> AfterEveryAppend:
    """Each start of a node dies after its next append."""
    return AfterEveryAppend()


class _Play:
    """One run in one world."""

    def __init__(
        self,
        simulation: Simulation,
        known: Workflow[..., Any],
        workflows: Sequence[Workflow[..., Any]],
        start: StartRun,
        sent: Sequence[tuple[float, SignalRun | UpdateRun | Act]],
        within: timedelta,
    ) -> None:
        self.simulation = simulation
        self.known = known
        self.workflows = workflows
        self.start = start
        self.sent = sent
        self.answers: list[Answered] = []
        self.refused: list[Refused] = []
        self.within = within

    def once(self, weather: Weather, plan: Callable[[str], Plan] | None) -> Outcome[Any]:
        seed, self.answers, self.refused = self.simulation.seed, [], []
        world = World(
            seed,
            self.workflows,
            nodes=self.simulation.nodes,
            weather=weather,
            plan=plan,
            ids=lambda owner: ConstantSeed(seed),
            settings=self.simulation.settings,
            longest_pause=600.0,
            resources=self.simulation.resources,
            interceptors=self.simulation.interceptors,
        )

        async def main() -> tuple[Applied | None, float]:
            return await world.play(self._scenario)

        with quiet():
            end, seconds = run_seeded(seed, main)
        found = checks.violations(world)
        if end is None:
            events = [
                event
                for record in world.log.streams.get(stream_of("run", "default", RUN), ())
                for event in CODEC.decode(record.data).events
            ]
            found.append(f"the run has not ended within {self.within}; its events:\n    " + "\n    ".join(map(repr, events)))
        if found or end is None:
            raise Violation(f"seed {seed}, history {world.digest()}:\n" + "\n".join(f"  - {what}" for what in found))
        value = self.known.returns.decode(end.result) if isinstance(end.result, Raw) else None
        return Outcome(world, end, value, timedelta(seconds=seconds), self.answers, self.refused)

    async def _scenario(self, world: World) -> tuple[Applied | None, float]:
        end: Applied | None = None
        with anyio.move_on_after(self.within.total_seconds()):
            await asked(world, self.start)
            started = anyio.current_time()
            async with anyio.create_task_group() as group:
                for number, (seconds, what) in enumerate(self.sent):
                    group.start_soon(self._later, world, seconds, what, f"act {number}")
                if world.weather.seconds:
                    group.start_soon(_heal_later, world)
                end = await asked(world, AwaitRun(run=RUN, within=3600.0))
                group.cancel_scope.cancel()
            return end, anyio.current_time() - started
        return None, self.within.total_seconds()

    async def _later(self, world: World, seconds: float, what: SignalRun | UpdateRun | Act, command: str) -> None:
        await anyio.sleep(seconds)
        if isinstance(what, SignalRun | UpdateRun):
            reply = await asked(world, what)
            if isinstance(reply, Answered):
                self.answers.append(reply)
            return
        try:
            await asked(world, await request_for(what, command, world))
        except Refused as refusal:
            self.refused.append(refusal)


async def _heal_later(world: World) -> None:
    await anyio.sleep(world.weather.seconds)
    world.heal()


@overload
async def asked(world: World, request: Commanding) -> Applied: ...
@overload
async def asked(world: World, request: SignalRun | UpdateRun) -> Applied | Answered: ...
async def asked(world: World, request: Commanding | UpdateRun) -> Applied | Answered:
    """Ask the owner of the run, again and again with the same command id, until there is an answer."""
    while True:
        try:
            return await world.route(stream_for(request)).call(request)
        except Unavailable:
            await anyio.sleep(0.05)


@contextmanager
def quiet() -> Generator[None]:
    """Warnings of nodes that lose their log are what is wanted here."""
    logger = logging.getLogger("perdure")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
