"""The log outlives the code.

Names of events and fields are for ever; a shape that must change gets a new name, and the old name a pure upcaster.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import NODEFAULT, Raw

import perdure
from perdure import Invalid, workflow
from perdure.eventlog.codec import Codec, Event
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Append, sealed
from perdure.runtime.run.events import CODEC, RUN_EVENTS, Recovered, RunStarted
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, canonical
from tests.laws.node import PATIENCE, node, stream

NAMES = {
    "RunStarted": "workflow version input seed command? deadline? parent?",
    "RunDelayed": "workflow version input seed command? deadline? parent? start_at?",
    "Continued": "input version delivered unread?",
    "StepScheduled": "id name args due?",
    "StepStarted": "id attempt started worker",
    "StepHeartbeat": "id attempt details",
    "StepDeferred": "id attempt",
    "StepCompleted": "id attempt value started ended worker command?",
    "StepFailed": "id attempt error started ended worker retry_at? command?",
    "StepSkipped": "id value by? why? command?",
    "TimerSet": "id due",
    "TimerFired": "id due",
    "EffectsAbandoned": "ids",
    "SignalReceived": "name value command?",
    "ApprovalRequested": "id name show digest expires? terms?",
    "ApprovalGiven": "id by why? command? role?",
    "ApprovalEscalated": "id stage",
    "ApprovalDecided": "id outcome by? why? command? role?",
    "SignalSent": "id run name value",
    "CancelSent": "id run reason?",
    "UpdateAccepted": "name args command",
    "UpdateCompleted": "command result? error?",
    "AttributesSet": "values",
    "Logged": "level message fields",
    "CancelRequested": "reason? command?",
    "Recovered": "owner epoch",
    "Suspended": "reason build delivered message where? expected? found? instead?",
    "Paused": "reason? command? freeze?",
    "Resumed": "build? command?",
    "RetryRequested": "place void fresh_keys? command?",
    "Patched": "name",
    "Upgraded": "version command?",
    "RunCompleted": "result",
    "RunFailed": "kind error",
    "RunCancelled": "reason?",
    "RunTerminated": "reason? command?",
    "RunTimedOut": "",
    "ChildScheduled": "id run workflow version input on_parent_end? named? detached?",
    "AttachScheduled": "id run",
    "ChildStarted": "id",
    "Attached": "id",
    "ChildEnded": "id status value? error?",
    "ChildReleased": "id",
    "Watched": "by",
    "Unwatched": "by",
    "EndAnnounced": "end",
    "ChildrenTold": "how reason? freeze? command? word?",
    "ChildHeard": "id word",
    "MovedOut": "move to",
    "MovedIn": "move source",
    "MovedBack": "move",
    "ArtifactsReleased": "released",
    "ArtifactsRemoved": "release",
}
"""Every event that was ever written, with its fields; `?` where a record may lack it. Lines may be added and never changed."""


def fields_of(event: type[Event]) -> dict[str, bool]:
    """The names that an event's fields have in the log, and whether they must be there."""
    return {found.encode_name: found.default is NODEFAULT and found.default_factory is NODEFAULT for found in msgspec.structs.fields(event)}


@pytest.mark.parametrize("name", NAMES)
def test_an_event_keeps_its_name_and_its_fields(name: str) -> None:
    kept = {field.rstrip("?"): not field.endswith("?") for field in NAMES[name].split()}
    event = next(event for event in RUN_EVENTS if event.__name__ == name)
    fields = fields_of(event)

    assert event.__struct_config__.tag == name
    assert {field: fields.get(field) for field in kept} == kept
    assert not any(must for field, must in fields.items() if field not in kept), "what is added must be optional: older records lack it"


def test_every_event_of_today_is_in_the_table() -> None:
    assert {event.__name__ for event in RUN_EVENTS} == set(NAMES)


def test_a_record_of_the_first_release_is_still_read() -> None:
    """Literal bytes: what a log holds that was written before any change."""
    data = (
        b'{"at":7,"epoch":1,"events":[{"type":"RunStarted","workflow":"job","version":1,"input":[1],"seed":5},'
        b'{"type":"StepScheduled","id":"0","name":"work","args":[1]},'
        b'{"type":"StepFailed","id":"0","attempt":1,"error":{"type":"ValueError","message":"no"},"started":1,"ended":2,"worker":"w","retry_at":9},'
        b'{"type":"StepCompleted","id":"0","attempt":2,"value":3,"started":1,"ended":2,"worker":"w"},'
        b'{"type":"RunCompleted","result":3}]}'
    )
    batch, facts = CODEC.decode(data), RunState()
    for event in batch.events:
        evolve(facts, event, batch.at)

    assert (facts.phase, bytes(facts.result), facts.length) == ("completed", b"3", 5)
    assert CODEC.encode(batch.at, batch.epoch, batch.events) == data


def begun_to_started(old: dict[str, Any]) -> dict[str, Any]:
    """Of an event that was renamed, its `body` split into two fields."""
    return {"type": "RunStarted", "workflow": old["body"]["flow"], "version": 1, "input": old["body"]["args"], "seed": old["seed"]}


def test_an_upcaster_folds_an_old_event_into_the_state_of_today() -> None:
    codec: Codec[Event] = Codec("run", *RUN_EVENTS, upcasters={"RunBegun": begun_to_started})
    begun, recovered = b'{"type":"RunBegun","body":{"flow":"job","args":[1]},"seed":7}', b'{"type":"Recovered","owner":"n","epoch":2}'
    old = b'{"at":1,"epoch":1,"events":[%b,%b]}' % (begun, recovered)
    today = CODEC.encode(1, 1, [RunStarted("job", 1, Raw(b"[1]"), 7), Recovered("n", 2)])
    states = [RunState(), RunState()]
    for state, batch in zip(states, (codec.decode(old), codec.decode(today)), strict=True):
        for event in batch.events:
            evolve(state, event, batch.at)

    assert canonical(states[0]) == canonical(states[1])
    with pytest.raises(Invalid, match="cannot read"):
        CODEC.decode(old)


@workflow
async def waiting() -> int:
    return await perdure.signal("n", int)


def unknown(log: MemoryLog, run: str) -> Append:
    """A record that a newer release might have written."""
    data = b'{"at":2,"epoch":1,"events":[{"type":"RunPaused","until":9}]}'
    records = log.streams.get(stream(run))
    return sealed(stream(run), records[-1].tail if records else EMPTY, data, 1)


@pytest.mark.anyio
async def test_an_unknown_event_parks_only_the_run_that_holds_it() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), waiting) as runtime:
        for run in ("a", "b"):
            await runtime.start(waiting, id=run)
    log.append_one(unknown(log, "a"))
    before = len(log.streams[stream("a")])
    async with node(log.carrier(2), waiting) as runtime:
        with pytest.raises(Invalid, match="an event that this build cannot read") as caught:
            await runtime.run("a").signal("n", 1)
        await runtime.run("b").signal("n", 2)

        assert await runtime.run("b").result(within=PATIENCE) == 2
    assert "newer" in caught.value.instead
    assert len(log.streams[stream("a")]) == before
