"""A run driven aside, from its log, to be asked something: nothing is performed, nothing written, and no live run is touched."""

from __future__ import annotations

from collections.abc import Iterable

from ...actors.activation import collector_off
from ...actors.shelf import Shelf
from ...eventlog.errors import Diverged, NotFound, Refused
from ...eventlog.records import Record
from ...eventlog.streams import parts_of
from ..authoring.workflows import Registry
from ..run.commands import Query
from ..run.decide.moving import gone
from ..run.machine.driver import NO_SHELF
from ..run.machine.handlers import answered
from ..run.machine.replay import revive_as_far
from ..run.machine.shell import outside_loop
from ..run.performing import Answer
from ..run.state import RunState
from .replay import fold


def answer_aside(stream: str, records: Iterable[Record], registry: Registry, asked: Query, shelf: Shelf = NO_SHELF) -> Answer:
    """What a query answers at the version of the last record; of a run that was suspended, as its code last agreed with the log.

    NeedValue where the code must be given large values that are not on the shelf.
    """
    facts, run = fold(stream, records), parts_of(stream)[2]
    if facts.length == 0:
        raise NotFound("there is no such run", who=f"run {run!r}", where="run id", expected="the id of a run that was started",
                       found="an id without events", instead="list the runs with 'perdure runs', or start it first")
    if facts.away:
        raise gone(facts, f"query {asked.name!r}")
    return outside_loop(_ask, stream, facts, registry, asked, shelf)


def _ask(stream: str, facts: RunState, registry: Registry, asked: Query, shelf: Shelf) -> Answer:
    run = parts_of(stream)[2]
    workflow = registry.find(facts.workflow, facts.version)
    if workflow is None:
        raise Refused("the code of the run is not here, so it cannot be asked", who=f"run {run!r}", where="the workflows of this runtime",
                      expected=f"workflow {facts.workflow!r} version {facts.version}", found=registry.names() or "none",
                      instead="ask where that version is registered")
    try:
        with collector_off():
            machine = revive_as_far(run, workflow, facts, stream=stream, shelf=shelf)
    except Diverged as error:
        parts = error.parts() | {"who": f"run {run!r}"}
        raise Refused(f"the code never agreed with the log: {parts.pop('message')}", **parts) from error
    try:
        result, failure = answered(machine, asked.name, asked.args)
    finally:
        machine.close()
    return Answer(facts.length, result, failure)
