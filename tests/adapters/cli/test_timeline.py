"""`perdure show` has a line for every event of a run."""

from __future__ import annotations

from msgspec import Raw

from perdure.adapters.cli.looking.timeline import SAID, TELLING, timeline
from perdure.eventlog.codec import Event
from perdure.eventlog.records import EMPTY, recorded, sealed
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC


def test_every_event_of_a_run_is_told() -> None:
    assert [event.__name__ for event in CODEC.events if event not in SAID and event not in TELLING] == []
    assert not SAID.keys() & TELLING.keys()


def test_what_becomes_of_a_step_is_told_with_its_name() -> None:
    events: list[Event] = [
        ev.StepScheduled("0", "charge", Raw(b"[]")),
        ev.StepStarted("0", 1, 5, "node 1"),
        ev.StepHeartbeat("0", 1, Raw(b"7")),
        ev.StepDeferred("0", 1),
        ev.StepSkipped("0", Raw(b'"receipt"'), "ada", "paid by telephone"),
    ]
    append = sealed("run/default/r", EMPTY, CODEC.encode(1, 1, events), len(events))
    line = timeline("r", [recorded(append, 1)])

    assert [(moment.what, moment.text) for moment in line.moments] == [
        ("step begins", "charge 0 on node 1, at most once"),
        ("heartbeat", "charge 0: 7"),
        ("step deferred", "charge 0 is left to whoever has its token"),
        ("step skipped", 'charge 0 = "receipt" by ada: paid by telephone'),
    ]
    assert line.waiting == []
