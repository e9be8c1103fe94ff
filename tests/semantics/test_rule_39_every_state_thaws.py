"""Rule 39: a snapshot is the state, whatever it holds; one that does not thaw would cost a refold at best."""

from __future__ import annotations

from msgspec import Raw

from perdure.eventlog.codec import Event
from perdure.runtime.run import events as ev
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, canonical, restore

BEGUN = ev.RunStarted("watch", 1, Raw(b'["a"]'), 7)


def folded(*events: Event) -> RunState:
    facts = RunState()
    for event in events:
        facts = evolve(facts, event, 1)
    return facts


def test_a_later_generation_thaws_with_what_the_run_was_started_with() -> None:
    facts = folded(BEGUN, ev.Continued(Raw(b'["b"]'), 1, 0))

    assert restore(canonical(facts)) == facts
    assert restore(canonical(facts)).origin == Raw(b'["a"]')


def test_a_heartbeat_thaws() -> None:
    facts = folded(BEGUN, ev.StepScheduled("0", "read", Raw(b"[]")), ev.StepHeartbeat("0", 1, Raw(b'{"page":3}')))

    assert restore(canonical(facts)) == facts
    assert restore(canonical(facts)).steps["0"].heartbeat == Raw(b'{"page":3}')
