"""Driving code over recorded facts, and holding what it asks for against the script.

At every rest the code must ask for exactly what the log says it asked for there. The first difference is Diverged, with
both columns: what the log holds, and what the code wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from ....actors.shelf import NeedValue, Shelf
from ....eventlog.codec import Event
from ....eventlog.errors import Diverged, Invalid
from ...authoring.values import NOTHING
from ...authoring.workflows import Workflow
from ..events import RunCompleted, RunFailed
from ..script import approval_of, line_of
from ..state import Line, RunState, json_of, key_of
from .driver import NO_SHELF, Machine
from .foreign import line_of_code, suspended_frames
from .large import named_at, needed
from .retracing import retrace


class Revival:
    """A machine on its way through the arrivals of its run. It may have to wait for large values, and then goes on where it was."""

    def __init__(self, run: str, workflow: Workflow[..., Any], facts: RunState, *, stream: str = "", shelf: Shelf = NO_SHELF) -> None:
        self.machine = Machine(run, workflow, facts, stream=stream, shelf=shelf)
        self.machine.replaying = True
        self._facts = facts
        self._script = _Script(run, facts)
        self._error: Diverged | None = None

    def go_on(self) -> Machine:
        """A machine that has taken every delivered arrival and agrees with the script; Diverged where it does not.

        NeedValue where something must be fetched before the next arrival: then nothing has changed, and it can be called again.
        """
        machine = self.machine
        if self._error is not None:
            raise self._error
        try:
            self._to_the_end(machine, self._facts, self._script)
        except (Diverged, Invalid, RecursionError) as error:
            machine.close()
            self._error = _explained(machine.run, error)
            raise self._error from error
        machine.replaying, machine.revived = False, True
        return machine

    def _to_the_end(self, machine: Machine, facts: RunState, script: _Script) -> None:
        while machine.fed < facts.delivered:
            if machine.fed < 0 or facts.held or not script.follow(machine):
                if machine.fed == facts.delivered:
                    break
                _have_at_hand(machine, facts, machine.fed)
                _take(machine, facts, machine.fed)
            script.check(machine, machine.fed)
            if machine.ending is not None and machine.fed < facts.delivered:
                script.check(machine, facts.delivered)  # it ended before it had taken all that it was given in one go
                break
        script.check_end(machine)


def _have_at_hand(machine: Machine, facts: RunState, place: int) -> None:
    """NeedValue where the value of the arrival at `place` must be fetched first."""
    blob = named_at(facts, place)
    if blob is not None and machine.shelf.find(machine.stream, blob) is None:
        raise needed(facts, place)


def revive(run: str, workflow: Workflow[..., Any], facts: RunState) -> Machine:
    """A machine that has taken every delivered arrival and agrees with the script, of a run without large values."""
    return Revival(run, workflow, facts).go_on()


def _explained(run: str, error: Diverged | Invalid | RecursionError) -> Diverged:
    if isinstance(error, Diverged):
        return error
    if isinstance(error, RecursionError):
        return too_deep(f"run {run!r}")
    parts = error.parts() | {"who": f"run {run!r}, {error.who}"}
    return Diverged(parts.pop("message"), **parts)


def revive_as_far(run: str, workflow: Workflow[..., Any], facts: RunState, *, stream: str = "", shelf: Shelf = NO_SHELF) -> Machine:
    """A machine at the last rest at which code and log agree, for a look at it; Diverged where they never did, NeedValue as above."""
    upto = facts.delivered
    while True:
        machine, script = Machine(run, workflow, facts, stream=stream, shelf=shelf), _Script(run, facts)
        machine.replaying = True
        try:
            _agree(machine, script, facts, upto)
        except NeedValue:
            machine.close()
            raise
        except (Diverged, Invalid, RecursionError) as error:
            upto = machine.fed - 1
            machine.close()
            if upto < 0:
                raise error if isinstance(error, Diverged) else too_deep(f"run {run!r}") from error
        else:
            return machine


def _agree(machine: Machine, script: _Script, facts: RunState, upto: int) -> None:
    """Drive the code over the first arrivals, and hold what it asks for against the script after each."""
    for place in range(-1, upto):
        _have_at_hand(machine, facts, place)
        _take(machine, facts, place)
        script.check(machine, place + 1)


def _take(machine: Machine, facts: RunState, place: int) -> None:
    """Hand the machine the arrival at `place`, -1 being the start, at the time at which the run took it."""
    late = [held.at for held in facts.held if held.start <= place < held.end] if facts.held else ()
    if place < 0:
        machine.begin(late[0] if late else facts.started_at)
    else:
        arrival = facts.arrivals[place]
        machine.feed(arrival, late[0] if late else arrival.at)


NO_EFFECT = "nothing (the log holds no such effect here)"


class _Script:
    """The recorded lines, and how far they have been matched."""

    def __init__(self, run: str, facts: RunState) -> None:
        self.run = run
        self.facts = facts
        self.lines = facts.script
        self.place = 0
        self.ends = {place: held.end for held in facts.held for place in range(held.start + 1, held.end)}
        """Inner rests of arrivals that were taken in one go: their lines are recorded behind the last of them."""
        self.wanted: list[Line] = []

    def follow(self, machine: Machine) -> bool:
        """Hand the code arrivals the short way; whether it was handed one more, whose wishes `check` is to see."""
        self.place, is_one_more = retrace(machine, self.facts, self.place)
        return is_one_more

    def check(self, machine: Machine, rest: int) -> None:
        """Match what the code asked for since the last rest against what the log holds there."""
        wishes = machine.take_wishes()
        end, too_early = self.ends.get(rest), ""
        upto = rest if end is None else end
        for wish in wishes:
            line = line_of(wish, upto)
            if line is not None:
                self.wanted.append(line)
            elif wish is machine.ending and not (upto == self.facts.delivered and self.facts.ended):
                too_early = _shown_early(wish)
        if too_early:
            self._first_difference(machine, rest, upto, too_early)
        if end is not None:
            return
        lines, start = self.lines, self.place
        stop = start + len(self.wanted)
        if self.wanted != lines[start:stop] or (stop < len(lines) and lines[stop].after <= rest):
            self._first_difference(machine, rest, rest)
        self.place = stop
        self.wanted = []

    def _first_difference(self, machine: Machine, rest: int, until: int, too_early: str = "") -> None:
        """Order within a rest does not matter, ids do: compare by id, and name the first that differs.

        `until`: the rest behind whose arrivals the lines are recorded. `too_early`: how the code ended, if it did while the log goes on.
        """
        recorded: list[Line] = []
        while self.place + len(recorded) < len(self.lines) and self.lines[self.place + len(recorded)].after <= until:
            recorded.append(_unordered(self.lines[self.place + len(recorded)]))
        asked = [_unordered(line) for line in self.wanted]
        if not too_early and sorted(recorded, key=_by_id) == sorted(asked, key=_by_id):
            return
        wanted = {(line.what, line.id): line for line in asked}
        for line in recorded:
            other = wanted.pop((line.what, line.id), None)
            if other != line:
                other = other or next((w for w in wanted.values() if w.id == line.id), None)
                self._differs(rest, line, _shown(other) if other else too_early or "nothing", at=_place_of(machine, other))
        if too_early:
            self._differs(rest, None, too_early)
        for line in wanted.values():
            self._differs(rest, None, _shown(line), at=_place_of(machine, line))

    def _differs(self, rest: int, line: Line | None, found: str, expected: str = NO_EFFECT, at: str = "") -> NoReturn:
        arrival = "the start" if rest == 0 else f"arrival {rest} of {self.facts.delivered}"
        raise Diverged(
            "the code of the workflow and the log of the run disagree",
            who=f"run {self.run!r}, workflow {self.facts.workflow!r} version {self.facts.version}",
            where=f"after {arrival}{at}",
            expected=_shown(line) if line else expected,
            found=found,
            instead="deploy the code that the run was started with, or give the changed workflow a new version beside the old one",
        )

    def check_end(self, machine: Machine) -> None:
        """A run that ended by its code must end so again; one that was ended from outside, or before its code began, need not."""
        ending, facts = machine.ending, self.facts
        if not facts.ended or facts.phase in ("terminated", "timed_out") or facts.delivered < 0:
            return
        result = key_of(facts.result, facts.result_blob) if facts.phase == "completed" else None
        expected = _shown_end(f"Run{facts.phase.capitalize()}", result)
        kind = type(ending).__name__ if ending is not None else "no end: the code still waits"
        given = key_of(ending.result, ending.blob) if isinstance(ending, RunCompleted) else None
        if kind != f"Run{facts.phase.capitalize()}" or (given is not None and bytes(given) != bytes(result or b"")):
            self._differs(facts.delivered, None, _shown_end(kind, given), expected)


def _place_of(machine: Machine, wanted: Line | None) -> str:
    """Where the code waits for what only it wants, or, where it wants nothing new, where it waits at all; empty where it has ended."""
    branch = machine.waits[wanted.id][0] if wanted is not None and wanted.id in machine.waits else machine.root
    home = machine.home()
    if branch is None or home.startswith("perdure."):  # the lines of a definition are not those of its interpreter
        return ""
    place = line_of_code(suspended_frames(branch.coroutine), home)
    return f", {place}" if ", line " in place else ""


def _unordered(line: Line) -> Line:
    """The line as it is compared: the order in which effects are abandoned within a rest does not matter either."""
    if line.what != "abandon":
        return line
    return msgspec.structs.replace(line, key=json_of(sorted(msgspec.json.decode(line.key, type=list[str]))))


def _by_id(line: Line) -> tuple[str, str]:
    return line.what, line.id


def _shown(line: Line) -> str:
    match line.what:
        case "step":
            return f"step {line.name!r} as {line.id}, arguments {bytes(line.key).decode()}"
        case "update":
            return f"the answer to update {line.id}: {bytes(line.key).decode()}"
        case "timer":
            return f"timer {line.id} due {bytes(line.key).decode()}"
        case "approval":
            asked = approval_of(line.key)
            until = "" if asked.expires is None else f", until {asked.expires}"
            terms = "" if asked.terms is NOTHING else f", on the terms {bytes(asked.terms).decode()}"
            return f"approval {line.name!r} as {line.id}, showing {bytes(asked.show).decode()}{until}{terms}"
        case "child":
            return f"child {line.name!r} as {line.id}, arguments {bytes(line.key).decode()}"
        case "attach":
            return f"attaching to run {line.name!r} as {line.id}"
        case _:
            return f"abandoning {bytes(line.key).decode()}"


def _shown_early(ending: Event) -> str:
    why = f", {ending.error.type}: {ending.error.message}" if isinstance(ending, RunFailed) else ""
    return f"the end of the run ({type(ending).__name__}{why})"


def _shown_end(kind: str, result: Raw | None) -> str:
    return kind if result is None else f"{kind} with {bytes(result)[:80].decode(errors='replace')}"


def too_deep(who: str) -> Diverged:
    """What a run is suspended for whose code fills the stack."""
    return Diverged("the workflow recurses too deeply", who=who, where="the workflow's code", expected="calls that fit Python's stack",
                    found="RecursionError", instead="use a loop instead of recursion")


def wishes_of(machine: Machine, facts: RunState) -> Sequence[Event]:
    """Hand the code what it has not taken yet, until it asks for something; nothing where it has taken all.

    NeedValue where a large value must be fetched first: the machine is half driven then, and of no more use.
    """
    place = machine.fed
    try:
        while (place := machine.fed) < facts.delivered:
            if place < 0 or facts.held:
                _take(machine, facts, place)
            else:
                arrival = facts.arrivals[place]
                machine.feed(arrival, arrival.at)
            if wishes := machine.wishes:
                machine.wishes = []
                return wishes
    except NeedValue as need:
        raise needed(facts, place) from need
    return ()
