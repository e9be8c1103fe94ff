"""The short cut that a completed step takes through a run is the long way, event for event and state for state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

import perdure
from perdure import Retry, first_of, gather, log, signal, sleep, step, workflow
from perdure.actors.judging import Judged, judge
from perdure.actors.mailbox import Actor
from perdure.actors.ports import OwnsAll
from perdure.eventlog.codec import Event
from perdure.eventlog.records import Append
from perdure.runtime.authoring.effects import Effect
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.run import commands as cmd
from perdure.runtime.run.events import StepCompleted
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.performing import Performing, Trouble
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import RunState, canonical

AGAIN = Retry(attempts=3, first=timedelta(seconds=1))
MINUTE = 60_000_000


@step
async def work(number: int) -> int:
    return number


@workflow
async def play(program: list[Any]) -> int:
    """Does what a program says: words, or lists of programs to run side by side or in a race."""
    total = 0
    for number, word in enumerate(program):
        if word == "sleep":
            await sleep(timedelta(seconds=1))
        elif word == "signal":
            total += await signal("go", int)
        elif word == "note":
            log("noted")
        elif word == "step":
            total += await work(number)
        elif word == "careful":
            try:
                total += await work(number)
            except perdure.StepError:
                total -= 1
        elif word[0] == "all":
            total += sum(await gather(*(play(each) for each in word[1:])))
        else:
            total += (await first_of(*(play(each) for each in word[1:]))).value
    return total


WISHES: dict[str, Any] = {
    "wake": cmd.Wake(),
    "signal": cmd.Signal("go", Raw(b"5")),
    "pause": cmd.Pause(),
    "resume": cmd.Resume(),
    "cancel": cmd.Cancel(),
}


class LongWay(Runs):
    """Runs without the short cut."""

    def advance(self, state: Run, command: cmd.Command, now: int) -> Sequence[Event]:
        return ()


class Nobody:
    """Performs nothing, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def time(self) -> int:
        return 0

    def hold(self, *what: object) -> dict[str, Any]:
        self.asked.append(("hold", *what))
        return {}

    def wake_at(self, stream: str, due: int) -> None:
        """To ask for it again is nothing new."""
        if ("wake_at", stream, due) not in self.asked:
            self.asked.append(("wake_at", stream, due))

    def said(self, lines: list[Trouble]) -> None:
        self.asked.append(("said", *(line.what for line in lines)))
        lines.clear()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *what: self.asked.append((name, *(part for part in what if not isinstance(part, Effect))))


class Way:
    """One run, judged letter by letter, and what it asked of the world."""

    def __init__(self, kind: type[Runs]) -> None:
        self.world = Nobody()
        self.kind = kind(Registry([play]), cast("Performing", self.world))
        self.actor = Actor("run/default/r", self.kind)
        self.actor.state, self.actor.awake = self.kind.initial(self.actor.stream), True

    @property
    def facts(self) -> RunState:
        facts: RunState = self.actor.state.facts
        return facts

    def perform(self, done: Any) -> None:
        """As the pool does: the value that it encoded is beside the call that it performed, as the code will receive it."""
        machine = self.actor.state.machine
        if isinstance(done, StepCompleted) and machine is not None and done.id in machine.waits and bytes(done.value) == b"7":
            machine.waits[done.id][1].outcome = done.value, 7

    def take(self, now: int, *letters: Any) -> Sequence[Append]:
        """What the log is asked to keep."""
        judged = Judged()
        for letter in letters:
            self.perform(letter)
        self.actor.mail.extend(letters)
        outside_loop(judge, [self.actor], now, OwnsAll("here", 1), judged)
        assert not judged.broken
        for append in judged.appends:
            self.actor.tail = append.tail
        self.kind.perform(self.actor.stream, self.actor.state)
        return judged.appends


def letter(draw: st.DataObject, facts: RunState, now: int) -> Any:
    """Something that may reach a run that stands like this."""
    open_steps = sorted(facts.steps) + sorted(facts.abandoned)
    kinds = [*WISHES, *["step"] * 8 * bool(open_steps), *["broke"] * 2 * bool(open_steps)]
    kind = draw.draw(st.sampled_from(kinds))
    if kind in WISHES:
        return WISHES[kind]
    id = draw.draw(st.sampled_from(open_steps))
    attempt = draw.draw(st.sampled_from([1, 1, 1, 2]))
    if kind == "broke":
        return cmd.StepBroke(id, attempt, Failure("ValueError", "no"), now, now, "here", draw.draw(st.sampled_from([None, AGAIN])))
    value = draw.draw(st.sampled_from([b"7", b"7", b"7", b'"not a number"']))
    return StepCompleted(id, attempt, Raw(value), now, now, "here")


words = st.sampled_from(["step", "step", "step", "careful", "sleep", "signal", "note"])


def with_forks(programs: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
    def side_by_side(how: str, sides: list[list[Any]]) -> list[Any]:
        return [how, *sides]

    forks = st.builds(side_by_side, st.sampled_from(["all", "race"]), st.lists(programs, min_size=1, max_size=3))
    return st.lists(words | forks, max_size=4)


programs: st.SearchStrategy[list[Any]] = st.recursive(st.lists(words, max_size=4), with_forks, max_leaves=6)


@settings(deadline=None)  # how long it takes is no law
@given(programs, st.data())
def test_the_short_cut_is_the_long_way(program: list[Any], data: st.DataObject) -> None:
    short, long = Way(Runs), Way(LongWay)
    now, start = 1_000_000, cmd.Start("play", 1, Raw(msgspec.json.encode([program])), 1)

    for _ in range(20):
        assert short.take(now, start) == long.take(now, start)
        assert canonical(short.facts) == canonical(long.facts)
        assert short.world.asked == long.world.asked
        if short.facts.ended:
            break
        now += data.draw(st.sampled_from([0, 1, MINUTE]))
        start = letter(data, short.facts, now)


def test_a_completed_step_takes_the_short_cut() -> None:
    """Else the law above would hold of nothing."""
    way = Way(Runs)
    way.take(1, cmd.Start("play", 1, Raw(b'[["step","step"]]'), 1))
    done = StepCompleted("0", 1, Raw(b"7"), 1, 1, "here")
    way.perform(done)

    events = outside_loop(way.kind.advance, way.actor.state, done, 2)

    assert [type(event).__name__ for event in events] == ["StepCompleted", "StepScheduled"]
    assert not way.actor.state.stirred
