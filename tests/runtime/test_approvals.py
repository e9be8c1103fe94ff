"""Approvals: exactly one of approve, reject and expire wins, and nobody decides about what they did not see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

import perdure
from perdure import Invalid, NotFound, OpenApproval, Refused, approval, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import Applied, DecideApproval
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.testing import Simulation, given
from tests.laws.node import events_of, killed_node, node, stream
from tests.semantics.asking import DAY, MICROSECONDS, SHOWN, ask_beside_a_signal, ask_once, asked, decide, runs

APPROVED = ev.ApprovalDecided("0", "approved", "Ada", "")
REJECTED = ev.ApprovalDecided("0", "rejected", "Bob", "too dear")
EXPIRED = ev.ApprovalDecided("0", "expired")


# -- exactly one wins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [APPROVED, REJECTED, EXPIRED])
@pytest.mark.parametrize("second", [decide("approved", "Eve"), decide("rejected", "Eve")])
def test_after_the_first_decision_every_other_is_refused(first: ev.ApprovalDecided, second: cmd.Decide) -> None:
    given(runs(), [*asked(), first]).when(second).then_refused("no longer open")


def test_after_a_decision_it_does_not_expire() -> None:
    given(runs(), [*asked(), APPROVED], now=2 * MICROSECONDS).when(cmd.Wake()).then_nothing()


def test_what_nobody_decided_expires_when_its_time_has_come() -> None:
    state = given(runs(), asked()).state()

    assert runs().decide(state, cmd.Wake(), MICROSECONDS - 1) == []
    assert runs().decide(state, cmd.Wake(), MICROSECONDS) == [EXPIRED]


def test_nobody_decides_once_it_should_have_expired_though_no_timer_fired_yet() -> None:
    given(runs(), asked(), now=MICROSECONDS).when(decide()).then_refused("no longer open")


def test_who_comes_too_late_is_told_who_decided_when_and_how() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    microseconds = int(at.timestamp() * 1e6)
    history = given(runs(), [*asked(), REJECTED], now=microseconds)
    with pytest.raises(Refused) as error:
        runs().decide(history.state(), decide(), microseconds)

    assert error.value.found == "it was rejected by Bob on 2026-03-01 12:00:00+00:00: too dear"


def test_its_expiry_is_the_wake_up_of_the_run() -> None:
    run, kind = given(runs(), asked()).state(), runs()
    head = kind.head(run, None)

    assert head is not None
    assert head.wake_at == MICROSECONDS


def test_a_run_that_only_its_expiry_can_wake_expires_though_its_node_is_killed() -> None:
    outcome = Simulation(1).run(ask_once, crash_after_every_append=True)

    assert outcome.value == ["expired", False, "", ""]
    assert abs(outcome.elapsed - DAY) < timedelta(minutes=2)
    assert outcome.crashes > 1


# -- bound to what was shown ---------------------------------------------------------------------------------------------


def test_a_decision_about_something_else_is_refused() -> None:
    given(runs(), asked()).when(decide(digest="0" * 64)).then_refused("not what is asked now")


@pytest.mark.parametrize(("missing", "where"), [({"digest": ""}, "digest"), ({"by": " "}, "by"), ({"why": "x" * 5000}, "why")])
def test_a_decision_without_what_was_seen_or_who_saw_it_is_invalid(missing: dict[str, str], where: str) -> None:
    with pytest.raises(Invalid) as error:
        runs().decide(given(runs(), asked()).state(), decide(**missing), 0)

    assert error.value.where == where


def test_the_digest_is_that_of_the_canonical_json_of_name_run_and_what_is_shown() -> None:
    import hashlib

    event = asked()[1]

    assert isinstance(event, ev.ApprovalRequested)
    assert event.digest == hashlib.sha256(b'{"name":"ship","run":"one","show":{"cents":1200,"order":"o-1"}}').hexdigest()


def test_what_a_run_never_asked_is_not_found() -> None:
    given(runs(), asked()).when(decide(name="shop")).then_refused("no such approval", error=NotFound)
    given(runs()).when(decide()).then_refused("no such run", error=NotFound)


@pytest.mark.anyio
async def test_a_handle_decides_by_name_only_about_what_it_has_listed() -> None:
    log = MemoryLog()
    async with node(log.carrier(), ask_once) as runtime:
        run = await runtime.start(ask_once, id="one")
        with pytest.raises(Invalid, match="not known what was seen"):
            await run.approve("ship", by="Ada")
        (found,) = await run.approvals()
        await run.approve("ship", by="Ada", why="in stock")
        result = await run.result()

    assert (found.run, found.id, found.name, found.show) == ("one", "0", "ship", SHOWN)
    assert found.expires is not None
    assert found.expires - found.asked == DAY
    assert result == ["approved", True, "Ada", "in stock"]
    assert log.summaries[stream("one")].head.wake_at is None


@workflow
async def ask_again() -> list[str]:
    return [(await approval("price", show={"cents": cents})).outcome for cents in (1200, 900)]


@pytest.mark.anyio
async def test_what_was_seen_earlier_does_not_approve_what_is_asked_now() -> None:
    async with node(MemoryLog().carrier(), ask_again) as runtime:
        run, other = await runtime.start(ask_again, id="one"), runtime.run("one")
        await run.approvals()
        (seen,) = await other.approvals()
        await run.reject("price", by="Ada")
        with pytest.raises(Refused):
            await other.approve("price", by="Bob")
        with pytest.raises(Refused, match="not what is asked now"):
            await other.approve("price", by="Bob", digest=seen.digest)
        (now,) = await other.approvals()
        await other.approve(now, by="Bob")

        assert (seen.show, now.show) == ({"cents": 1200}, {"cents": 900})
        assert await run.result() == ["rejected", "approved"]


# -- several at once -----------------------------------------------------------------------------------------------------


@workflow
async def four_eyes(same: bool) -> list[str]:
    first, second = await perdure.gather(approval("ship", show="a"), approval("ship", show="a" if same else "b"))
    return [first.by, second.by]


@pytest.mark.anyio
async def test_open_approvals_of_one_name_are_told_apart_by_what_they_show_or_else_by_id() -> None:
    async with node(MemoryLog().carrier(), four_eyes) as runtime:
        for same in (False, True):
            run = await runtime.start(four_eyes, same, id=f"same {same}")
            one, two = await run.approvals()
            with pytest.raises(Invalid):
                await run.approve("ship", by="Ada")
            if same:
                with pytest.raises(Refused, match="several approvals of one name"):
                    await run.approve("ship", by="Ada", digest=one.digest)
            await run.approve(two, by="Bob")
            await run.approve("ship", by="Ada", digest=one.digest)

            assert await run.result() == ["Ada", "Bob"]


@workflow
async def within_limits() -> list[str]:
    first = await perdure.first_of(approval("a"), approval("b"))
    try:
        async with perdure.timeout(timedelta(milliseconds=20)):
            await approval("c")
    except TimeoutError:
        return [str(first.index), first.value.by, "too late"]
    return []


@pytest.mark.anyio
async def test_an_approval_takes_part_in_races_and_limits_of_time() -> None:
    log = MemoryLog()
    async with node(log.carrier(), within_limits) as runtime:
        run = await runtime.start(within_limits, id="one")
        one, two = await run.approvals()
        await run.approve(two, by="Ada")
        with pytest.raises(Refused, match="no longer open") as error:
            await run.approve(one, by="Bob")
        result = await run.result()

    assert result == ["1", "Ada", "too late"]
    assert "withdrew" in error.value.found
    assert [event.ids for event in events_of(log, "one") if isinstance(event, ev.EffectsAbandoned)] == [["0.0/0"], ["2"]]


# -- how it is asked -----------------------------------------------------------------------------------------------------


class Parcel(msgspec.Struct):
    weight: float
    size: tuple[int, int]
    packed: datetime


@workflow
async def show_much() -> str:
    parcel = Parcel(4.5, (3, 4), datetime(2026, 1, 2, tzinfo=UTC))
    return (await approval("send", show={"parcel": parcel, 7: {"b", "a"}})).by


@pytest.mark.anyio
async def test_whatever_can_be_read_can_be_shown() -> None:
    async with node(MemoryLog().carrier(), show_much) as runtime:
        run = await runtime.start(show_much)
        (found,) = await run.approvals()
        await run.approve(found, by="Ada")

        assert found.show == {"parcel": {"weight": 4.5, "size": [3, 4], "packed": "2026-01-02T00:00:00Z"}, "7": ["a", "b"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 201}, {"timeout": timedelta(0)}, {"show": [float("nan")]}, {"show": object()}, {"show": "x" * 70_000},
        {"show": "\ud800"},
    ],
    ids=["no name", "a long name", "no time", "no number", "no data", "too much", "no text"],
)  # fmt: skip
def test_what_makes_no_approval_is_invalid(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"name": "ship"}
    with pytest.raises(Invalid):
        _ = approval(**right | wrong)


# -- from every door -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_request_and_its_reply_travel_as_json() -> None:
    async with node(MemoryLog().carrier(), ask_once) as runtime:
        await runtime.start(ask_once, id="one")
        look = await runtime.run("one").look()
        (found,) = msgspec.json.decode(msgspec.json.encode(look), type=Applied).approvals
        wish = DecideApproval(run="one", outcome="rejected", by="Ada", digest=found.digest, name="ship")
        reply = await runtime.handle(msgspec.json.decode(msgspec.json.encode(wish), type=DecideApproval))

    assert isinstance(found, OpenApproval)
    assert isinstance(reply, Applied)
    assert reply.approvals == []
    assert reply.status == "completed"


@pytest.mark.anyio
async def test_an_open_approval_outlives_its_node_and_is_withdrawn_by_a_cancel() -> None:
    log = MemoryLog()
    async with killed_node(log, ask_beside_a_signal) as runtime:
        await runtime.start(ask_beside_a_signal, id="one")
    async with node(log.carrier(2), ask_beside_a_signal) as runtime:
        run = runtime.run("one")
        names = [found.name for found in await run.approvals()]
        (one, _) = await run.approvals()
        await run.cancel()
        with pytest.raises(Refused):
            await run.approve(one, by="Ada")

        assert names == ["ship", "pack"]
        assert await run.approvals() == []
