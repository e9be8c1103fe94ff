"""One change of code, judged: what the truth says of it, and what the runtime did."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct

from perdure.runtime.run import events as ev
from tests.corpus.ledger import Kill
from tests.mutations import programs
from tests.mutations.changing import MUTATORS, Mutator, Program
from tests.mutations.playing import Played, Stage, digest_of
from tests.mutations.recorded import recorded
from tests.mutations.truth import Verdict, first_difference

TEXT = Path(programs.__file__).read_text(encoding="utf-8")
FLOWS = ("line", "loop", "side_by_side", "races", "groups", "limits", "mishaps", "mail")
ORDERS = 3
"""How many orders of completion each program is played in."""

FROM_OUTSIDE = (ev.StepCompleted, ev.StepFailed, ev.TimerFired, ev.SignalReceived)
NOT_OF_THE_DRIVER = (ev.Recovered, *FROM_OUTSIDE)


class Trial(Struct, frozen=True):
    """What became of one change. `truth` is None where it is harmless. A trial is right where its four faults are all empty."""

    seed: int
    flow: str
    change: str
    text: str
    truth: Verdict | None
    verdict_wrong: str = ""
    """It was suspended and need not have been, or was not and had to be."""
    first_event_wrong: str = ""
    """It was suspended at another arrival, or with other columns."""
    appended_besides: str = ""
    """The driver appended what it had no right to."""
    resumed_otherwise: str = ""
    """Under the code as it was it did not end as an unchanged run does."""

    @property
    def faults(self) -> str:
        found = (self.verdict_wrong, self.first_event_wrong, self.appended_besides, self.resumed_otherwise)
        return "\n".join(fault for fault in found if fault)

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.change} in {self.flow}\ntruth: {self.truth}\n{self.faults}\n{self.text}"


@cache
def unchanged(flow: str, order: int) -> tuple[int, str]:
    """(how many records a run has that nothing disturbs, its content digest)."""
    played = Stage(flow, order).begin(Program.of(TEXT, flow).text(), None)
    if played.facts.phase != "completed":
        raise AssertionError(f"{flow} in order {order} ends as {played.facts.phase}: {played.facts.failure}")
    return len(played.records), digest_of(played)


def changed(flow: str, mutate: Mutator, random: Random) -> str:
    """The text of a program after the change; empty where that finds no place in it."""
    program = Program.of(TEXT, flow)
    return program.text() if mutate(program, random) else ""


def trial(seed: int) -> Trial:
    """Draw a program, a point that its run has reached, and a change.

    The changes take turns; each draws a program that has a place for it.
    """
    random = Random(seed)
    mutate = MUTATORS[seed % len(MUTATORS)]
    flow, after = next((flow, text) for flow in random.sample(FLOWS, len(FLOWS)) if (text := changed(flow, mutate, random)))
    order = random.randrange(ORDERS)
    length, digest = unchanged(flow, order)
    nth = max(random.randint(1, length - 1), random.randint(1, length - 1))  # a run that has come far has more to disagree with
    before = Program.of(TEXT, flow).text()
    stage = Stage(flow, order)
    begun = stage.begin(before, Kill(nth, nth == 1 or random.random() < 0.5))
    truth = first_difference(after, flow, recorded(begun.records))
    gone_on = stage.go_on(after)
    if truth is None:
        return Trial(seed, flow, name_of(mutate), after, truth, *_harmless(stage, after, gone_on))
    verdict_wrong, first_event_wrong, appended_besides = _breaking(gone_on, truth, len(begun.facts.arrivals))
    resumed_otherwise = "" if verdict_wrong else _resumed(stage.go_on(before), digest)
    return Trial(seed, flow, name_of(mutate), after, truth, verdict_wrong, first_event_wrong, appended_besides, resumed_otherwise)


def name_of(function: Callable[..., Any]) -> str:
    name: str = getattr(function, "__name__", "")
    return name


def _harmless(stage: Stage, text: str, played: Played) -> tuple[str, str, str]:
    """(verdict wrong, first event wrong, appended besides) of a change that the truth finds harmless."""
    if "Suspended" in played.names:
        (told,) = [event for event in played.events if isinstance(event, ev.Suspended)]
        return f"a harmless change was stopped {told.where}: expected {told.expected}, found {told.found}", "", ""
    again = first_difference(text, stage.name, recorded(played.records))
    wrong = f"what it went on to write is not what the code asks for: {again}" if again else ""
    if not wrong and not stage.agrees(text):
        wrong = "a replay of what it went on to write finds a difference"
    return wrong, "", _before_the_first_arrival(played)


def _before_the_first_arrival(played: Played) -> str:
    """All that the code asks for up to the last arrival is recorded, so what comes first is another arrival."""
    for event in played.events:
        if isinstance(event, FROM_OUTSIDE):
            return ""
        if not isinstance(event, NOT_OF_THE_DRIVER):
            return f"{type(event).__name__} was written before anything new had arrived"
    return ""


def _breaking(played: Played, truth: Verdict, arrivals: int) -> tuple[str, str, str]:
    """As `_harmless`, of a change that breaks the run."""
    told = [event for event in played.events if isinstance(event, ev.Suspended)]
    if len(told) != 1:
        return f"a breaking change was told of {len(told)} times: {played.names}", "", ""
    besides = [name for name in played.names if name not in ("Recovered", "Suspended")]
    appended = "" if besides == ["SignalReceived"] else f"besides one Suspended and what was sent there are {besides}"
    return "", _wrongly_told(told[0], truth, arrivals), appended


def _resumed(ended: Played, digest: str) -> str:
    """What is wrong with a run that the code as it was has gone on with."""
    same = ended.facts.phase == "completed" and digest_of(ended) == digest and ended.names.count("Resumed") == 1
    return "" if same else f"it ended as {ended.facts.phase} with {ended.names}"


def _wrongly_told(told: ev.Suspended, truth: Verdict, arrivals: int) -> str:
    where = "after the start" if truth.arrival == 0 else f"after arrival {truth.arrival} of {arrivals}"
    place, _, line = told.where.partition(", module ")  # behind it the line of the code, where it waits for something
    right = (told.reason, told.delivered, place, told.expected) == ("diverged", arrivals, where, truth.expected)
    right = right and (not line or re.fullmatch(r"changed, line [0-9]+, in \w+", line) is not None)
    if right and told.found in truth.found:
        return ""
    return f"told {told.reason} {told.where}, {told.delivered} delivered: expected {told.expected}, found {told.found}; it is {where}"
