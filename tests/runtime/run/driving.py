"""Driving a workflow's code by hand: what arrives goes in, and the machine is looked at."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.run import events as ev
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.state import Arrival, Fired, Outcome, RunState, Signalled


def fed(workflow: Workflow[..., Any], *arrivals: Arrival) -> Machine:
    """A machine whose code has taken these, in this order."""
    machine = Machine("r", workflow, RunState(workflow=workflow.name, version=1, input=Raw(b"[]"), seed=1))
    outside_loop(machine.begin, 0)
    for arrival in arrivals:
        outside_loop(machine.feed, arrival, arrival.at)
    return machine


def done(id: str, value: Any = None) -> Outcome:
    return Outcome(0, id, Raw(msgspec.json.encode(value)))


def fired(id: str, at: int = 0) -> Fired:
    return Fired(at, id)


def signalled(name: str, value: Any = None) -> Signalled:
    return Signalled(0, name, Raw(msgspec.json.encode(value)))


def result(machine: Machine) -> Any:
    """What the code returned; AssertionError where it has not."""
    assert isinstance(machine.ending, ev.RunCompleted), machine.ending
    return msgspec.json.decode(machine.ending.result)


def wanted(machine: Machine) -> list[str]:
    """Ids of the steps and timers that the code waits for."""
    return list(machine.waits)
