"""The kind of actor that knows of a stream that it cannot be trusted: what is news, what lists see, and how it is called."""

from __future__ import annotations

from perdure.eventlog.records import Head
from perdure.eventlog.streams import STREAM_BYTES_MAX, stream_of
from perdure.runtime.kinds.quarantine import Differed, Fact, Lifted, Quarantine, Quarantined, State, quarantine_of, quarantined_by
from perdure.runtime.run.commands import Wake

STREAM = "run/default/o-1"
BROKEN = Quarantined(STREAM, "corrupt", "the chain does not hold")
DIFFERED = Differed(STREAM, "snapshot", 7, "aa", "bb")
looked: list[str] = []
KIND = Quarantine(looked.append)


def after(*facts: Fact) -> State:
    state = KIND.initial(quarantine_of(STREAM))
    for at, fact in enumerate(facts, 1):
        for event in KIND.decide(state, fact, at):
            state = KIND.evolve(state, event, at)
    return state


def head_of(state: State) -> Head:
    head = KIND.head(state, None)
    assert head is not None
    return head


def test_only_what_is_news_is_recorded() -> None:
    assert list(KIND.decide(after(), BROKEN, 9)) == [BROKEN]
    assert list(KIND.decide(after(BROKEN), BROKEN, 9)) == []
    assert list(KIND.decide(after(), Lifted(STREAM), 9)) == []
    assert list(KIND.decide(after(BROKEN), Lifted(STREAM), 9)) == [Lifted(STREAM)]
    assert list(KIND.decide(after(BROKEN, Lifted(STREAM)), BROKEN, 9)) == [BROKEN]
    assert list(KIND.decide(after(DIFFERED), DIFFERED, 9)) == []
    assert list(KIND.decide(after(BROKEN), Wake(), 9)) == []


def test_its_head_names_the_stream_and_wants_to_be_looked_into_as_long_as_it_is_quarantined() -> None:
    broken, trusted = head_of(after(BROKEN)), head_of(after(BROKEN, Lifted(STREAM)))

    assert (broken.status, broken.wake_at, broken.title, quarantined_by(broken)) == ("quarantined", 1, "run", STREAM)
    assert (trusted.status, trusted.wake_at, quarantined_by(trusted)) == ("trusted", None, STREAM)
    assert KIND.head(after(BROKEN), broken) is broken
    assert head_of(after(DIFFERED)).status == "trusted"


def test_it_is_looked_into_only_while_it_is_quarantined() -> None:
    looked.clear()
    KIND.perform(quarantine_of(STREAM), after(BROKEN, Lifted(STREAM)))
    assert looked == []

    KIND.perform(quarantine_of(STREAM), after(BROKEN))
    assert looked == [STREAM]


def test_its_name_says_whose_it_is_and_fits_however_long_that_is() -> None:
    long = stream_of("run", "default", "x/" * 40 + "y" * 20)
    other = stream_of("run", "default", "x/" * 40 + "z" * 20)

    assert quarantine_of(STREAM) == "quarantine/default/run_2fo-1"
    assert len(quarantine_of(long)) <= STREAM_BYTES_MAX
    assert len({quarantine_of(long), quarantine_of(other)}) == 2
    assert KIND.snapshots is not None
