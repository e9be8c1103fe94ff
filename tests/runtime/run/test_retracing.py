"""The short way of replay is the long way, for code that agrees with the log and for code that does not."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

import perdure
from perdure.eventlog.errors import Diverged
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.run import commands as cmd
from perdure.runtime.run.events import StepCompleted
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine import replay
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.machine.retracing import retrace
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import RunState
from tests.runtime.run.test_short_cut import Way, letter, play, programs, work


def long_way(machine: Machine, facts: RunState, matched: int) -> tuple[int, bool]:
    return matched, False


def told(facts: RunState, workflow: Workflow[..., Any]) -> Any:
    """Where the code stands once it was driven over the facts, or how it differs."""
    revival = replay.Revival("r", workflow, facts)
    try:
        machine = outside_loop(revival.go_on)
    except Diverged as differs:
        return differs.parts()
    try:
        branches = [(branch.path, branch.ordinal, branch.ended) for branch in machine.alive]
        waits = {id: (branch.path, type(effect).__name__) for id, (branch, effect) in machine.waits.items()}
        ending = None if machine.ending is None else msgspec.json.encode(machine.ending)
        return machine.fed, machine.at, branches, waits, list(machine.fresh), machine.dropped, ending
    finally:
        outside_loop(machine.close)


@perdure.workflow(name="play")
async def other(program: list[Any]) -> int:
    """Begins like `play`, and then wants something else."""
    return await work(0) + await work(1) + await work(7)


@given(programs, st.data())
@settings(deadline=None)  # how long it takes is no law
def test_the_short_way_of_replay_is_the_long_way(program: list[Any], data: st.DataObject) -> None:
    way = Way(Runs)
    now, command = 1_000_000, cmd.Start("play", 1, Raw(msgspec.json.encode([["step", "step", *program]])), 1)
    for _ in range(12):
        way.take(now, command)
        now += 1
        command = letter(data, way.facts, now)
    state: Run = way.actor.state

    for workflow in (play, other):
        short = told(state.facts, workflow)
        with patch.object(replay, "retrace", long_way):
            assert told(state.facts, workflow) == short


def test_steps_behind_steps_are_retraced_in_one_go() -> None:
    """Else the law above would hold of nothing."""
    way, ways = Way(Runs), list[tuple[int, bool]]()
    way.take(1, cmd.Start("play", 1, Raw(b'[["step","step","step"]]'), 1))
    for id in "01":
        way.take(2, StepCompleted(id, 1, Raw(b"7"), 1, 1, "here"))

    def watched(machine: Machine, facts: RunState, matched: int) -> tuple[int, bool]:
        ways.append(retrace(machine, facts, matched))
        return ways[-1]

    with patch.object(replay, "retrace", watched):
        told(way.facts, play)

    assert ways == [(3, False)]
