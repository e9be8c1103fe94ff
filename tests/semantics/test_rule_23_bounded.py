"""Rule 23: what is remembered of commands has a bound; a repeat from beyond it is refused as too old where its id says its age."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Raw

import perdure
from perdure import Refused
from perdure.eventlog.codec import Event
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run import repeats
from perdure.runtime.run.decide import decide
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, canonical, restore
from tests.laws.node import PATIENCE

YEAR = 365 * 24 * 3600 * 1_000_000
NOW = 50 * YEAR


@perdure.workflow
async def gathers() -> list[str]:
    heard = list[str]()
    while (word := await perdure.signal("word", str)) != "end":
        heard.append(word)
    return heard


def sent(command: str) -> cmd.Signal:
    return cmd.Signal("word", Raw(b'"w"'), command)


def told(facts: RunState, command: str, at: int = NOW) -> list[Event]:
    """Decide a signal of this command id, and record it."""
    events = list(decide(facts, sent(command), at))
    for event in events:
        evolve(facts, event, at)
    return events


def begun() -> RunState:
    return evolve(RunState(), ev.RunStarted("gathers", 1, Raw(b"[]"), 7), NOW)


def uuid_of(moment: int) -> str:
    """A UUID of version 7 that was made then."""
    made = f"{moment // 1000:012x}"
    return f"{made[:8]}-{made[8:]}-7abc-8def-0123456789ab"


@pytest.mark.anyio
async def test_a_repeat_of_what_is_forgotten_is_refused_and_never_applied_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 3)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with perdure.open(url, workflows=[gathers]) as runtime:
        run = await runtime.start(gathers, id="r")
        for number in range(1, 7):
            await run.signal("word", f"w{number}", command=f"till/{number}")
    async with perdure.open(url, workflows=[gathers]) as runtime:
        run = runtime.run("r")
        before = (await run.look()).version
        await run.signal("word", "again", command="till/6")
        for number in (1, 2, 3):
            with pytest.raises(Refused, match="too old"):
                await run.signal("word", "again", command=f"till/{number}")

        assert (await run.look()).version == before
        await run.signal("word", "end", command="till/7")
        assert await run.result(within=PATIENCE) == [f"w{number}" for number in range(1, 7)]


def test_the_newest_ten_thousand_get_their_first_answer_and_no_more_are_kept() -> None:
    facts = begun()
    for number in range(12_000):
        told(facts, f"till/{number}")

    assert len(facts.commands) == 10_000
    assert told(facts, "till/2000") == []
    with pytest.raises(Refused, match="too old"):
        told(facts, "till/1999")
    assert len(facts.forgotten.marks) == 1


def test_an_id_says_its_age_by_a_number_or_by_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 2)
    facts = begun()
    for id in ("a/5", uuid_of(NOW - 60_000_000), "a/7", "b/1"):
        told(facts, id)

    for old in ("a/5", "a/4", uuid_of(NOW - 60_000_000), uuid_of(NOW - 90_000_000)):
        with pytest.raises(Refused, match="too old"):
            told(facts, old)
    assert [told(facts, known) for known in ("a/7", "b/1")] == [[], []]
    for new in ("a/6", uuid_of(NOW - 30_000_000), "c/1"):
        assert told(facts, new) != []


def test_of_many_senders_the_ids_that_perdure_makes_are_still_told_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 2)
    monkeypatch.setattr(repeats, "MARKS_MAX", 3)
    facts = begun()
    ids = [f"client-{number}/{NOW + number}" for number in range(20)]
    for moment, id in enumerate(ids):
        told(facts, id, NOW + moment)

    assert len(facts.forgotten.marks) == 3
    assert [told(facts, id, NOW + 20) for id in ids[-2:]] == [[], []]
    for id in ids[:-2]:
        with pytest.raises(Refused, match="too old"):
            told(facts, id, NOW + 20)
    assert told(facts, f"client-new/{NOW + 20}", NOW + 20) != []


def test_a_foreign_id_that_says_nothing_counts_as_new_once_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 2)
    facts = begun()
    for id in ("paid", "shipped"):
        told(facts, id)

    assert told(facts, "paid") == []
    told(facts, "returned")
    assert told(facts, "paid") != []


def test_a_sender_whose_clock_is_ahead_makes_nobody_elses_ids_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 1)
    facts = begun()
    told(facts, uuid_of(NOW + YEAR), NOW)
    told(facts, "other", NOW)

    assert told(facts, uuid_of(NOW + 2000), NOW + 3000) != []


def test_a_long_id_costs_no_more_than_a_short_one_and_says_its_number_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 2)
    facts = begun()
    ids = [f"{'long' * 200}/{number}" for number in range(4)]
    for id in ids:
        told(facts, id)

    assert max(map(len, (*facts.commands, *facts.forgotten.marks))) <= repeats.LONGEST
    assert told(facts, ids[3]) == []
    with pytest.raises(Refused, match="too old"):
        told(facts, ids[0])


def test_a_state_from_a_snapshot_forgets_in_the_same_order_as_one_folded_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 5)
    monkeypatch.setattr(repeats, "MARKS_MAX", 2)
    folded = begun()
    for id in ("z", "b/1", "y", "a/1", "c/9", "x", "d/3", "w", "v", "b/2", "u"):
        told(folded, id)
        thawed = restore(canonical(folded))

        assert thawed == folded
        assert list(thawed.commands) == list(folded.commands)
        assert list(thawed.forgotten.marks) == list(folded.forgotten.marks)


def test_the_oldest_answer_to_an_update_is_the_first_to_go_after_a_snapshot_too() -> None:
    facts = begun()
    for id in ("c", "a", "b"):
        evolve(facts, ev.UpdateAccepted("work", Raw(b"[]"), id), NOW)
    for id in ("c", "b"):
        evolve(facts, ev.UpdateCompleted(id, Raw(b"1")), NOW)
    thawed = restore(canonical(facts))

    assert [id for id, update in thawed.updates.items() if update.done] == ["c", "b"]


def test_a_later_generation_knows_what_the_run_has_accepted_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "KNOWN_MAX", 1)
    facts = begun()
    told(facts, "a/1")
    told(facts, "a/2")
    evolve(facts, ev.Continued(Raw(b"[]"), 1, len(facts.arrivals)), NOW)

    assert told(facts, "a/2") == []
    with pytest.raises(Refused, match="too old"):
        told(facts, "a/1")
