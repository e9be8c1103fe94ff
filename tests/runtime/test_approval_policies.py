"""Policies of approvals: who may decide, how many it takes, whom it escalates to, and what it means that nobody did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import ApprovalExpired, ApprovalPolicy, Escalation, Invalid, Refused, approval, step, workflow
from perdure.eventlog.codec import Event
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.policies import AtEnd, Stage, Terms
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.machine.approvals import digest_of
from perdure.runtime.testing.deciders import Given
from perdure.testing import Act, Approve, Simulation, given
from tests.laws.node import events_of, named, node
from tests.semantics.asking import DAY, MICROSECONDS, SHOWN_RAW, ask_once, decide, runs

HOUR = MICROSECONDS // 24
CLERKS = Terms(users=("Ada",), roles=("clerk",), quorum=2, stages=(Stage(HOUR, roles=("owner",)), Stage(2 * HOUR, users=("Zoe",))))


def asked(terms: Terms | None, by: str = "") -> list[Event]:
    started = ev.RunStarted(ask_once.name, 1, Raw(b"[]"), 1, by=by)
    return [started, ev.ApprovalRequested("0", "ship", SHOWN_RAW, digest_of("one", "ship", SHOWN_RAW), MICROSECONDS, terms)]


def story(terms: Terms | None, *more: Event, by: str = "", now: int = 0) -> Given:
    return given(runs(), [*asked(terms, by), *more], now=now)


def all_of(history: Given, command: cmd.Command, now: int = 0) -> list[Event]:
    """All that a command is granted with: what was decided together comes one by one."""
    state = history.state()
    return [*runs().decide(state, command, now), *state.coming]


# -- who ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [decide(by="Ada"), decide(by="Carl", roles=("viewer", "clerk"))])
def test_who_is_named_or_in_a_role_that_is_may_decide(wish: cmd.Decide) -> None:
    role = "" if wish.by == "Ada" else "clerk"

    assert all_of(story(CLERKS), wish) == [ev.ApprovalGiven("0", wish.by, role=role)]


@pytest.mark.parametrize("wish", [decide(by="Eve"), decide(by="Eve", roles=("owner",)), decide("rejected", "Eve", roles=("viewer",))])
def test_nobody_else_may_whether_to_approve_or_to_reject(wish: cmd.Decide) -> None:
    story(CLERKS).when(wish).then_refused("not theirs to decide")


def test_a_refusal_says_who_may() -> None:
    with pytest.raises(Refused) as error:
        all_of(story(CLERKS), decide(by="Eve"))

    assert (error.value.expected, error.value.found) == ("Ada or one in a role of clerk", "Eve, in no role")


def test_who_started_the_run_may_not_decide_for_it_unless_the_policy_lets_them() -> None:
    story(Terms(), by="ann").when(decide(by="Ann ")).then_refused("not theirs to decide")
    story(Terms(users=("ann",)), by="ann").when(decide("rejected", by="ann")).then_refused("not theirs to decide")
    assert all_of(story(Terms(starter_may=True), by="ann"), decide(by="ann")) == [ev.ApprovalDecided("0", "approved", "ann")]


def test_whoever_started_a_run_has_started_its_later_generations_too() -> None:
    started = ev.RunStarted(ask_once.name, 1, Raw(b"[]"), 1, by="ann")
    question = ev.ApprovalRequested("2/0", "ship", SHOWN_RAW, digest_of("one", "ship", SHOWN_RAW), MICROSECONDS, Terms())
    later = given(runs(), [started, ev.Continued(Raw(b"[]"), 1, 0), question], now=0)

    assert later.state().facts.by == "ann"
    later.when(decide(by="ann")).then_refused("not theirs to decide")


def test_who_may_only_where_they_are_named_decides_nothing_that_is_everybodys() -> None:
    for terms in (Terms(), None):
        story(terms).when(decide(by="Eve", named=True)).then_refused("not theirs to decide")
    wish = decide(by="Eve", named=True, roles=("clerk",))
    assert all_of(story(Terms(roles=("clerk",))), wish) == [ev.ApprovalDecided("0", "approved", "Eve", role="clerk")]


# -- how many ----------------------------------------------------------------------------------------------------------


def test_it_is_decided_once_as_many_people_have_approved_as_it_takes() -> None:
    carl = decide(by="Carl", roles=("clerk",))

    assert all_of(story(CLERKS, ev.ApprovalGiven("0", "Ada")), carl) == [ev.ApprovalDecided("0", "approved", "Carl", role="clerk")]


@pytest.mark.parametrize("again", ["Ada", " ada", "\uff21\uff24\uff21"])
def test_nobody_counts_twice(again: str) -> None:
    story(CLERKS, ev.ApprovalGiven("0", "Ada")).when(decide(by=again, roles=("clerk",))).then_refused("not theirs to decide")


def test_an_approval_that_is_sent_again_under_its_command_changes_nothing() -> None:
    story(CLERKS, ev.ApprovalGiven("0", "Ada", command="c-1")).when(decide(by="Ada", command="c-1")).then_nothing()


def test_one_who_rejects_is_enough() -> None:
    carl = decide("rejected", "Carl", roles=("clerk",))

    assert all_of(story(CLERKS, ev.ApprovalGiven("0", "Ada")), carl) == [ev.ApprovalDecided("0", "rejected", "Carl", role="clerk")]


# -- whom it escalates to ------------------------------------------------------------------------------------------------


def test_it_escalates_stage_by_stage_and_then_expires() -> None:
    history = story(CLERKS)

    assert all_of(history, cmd.Wake(), HOUR - 1) == []
    assert all_of(history, cmd.Wake(), HOUR) == [ev.ApprovalEscalated("0", 1)]
    assert all_of(story(CLERKS, ev.ApprovalEscalated("0", 1)), cmd.Wake(), 2 * HOUR) == [ev.ApprovalEscalated("0", 2)]
    assert all_of(history, cmd.Wake(), MICROSECONDS) == [
        ev.ApprovalEscalated("0", 1), ev.ApprovalEscalated("0", 2), ev.ApprovalDecided("0", "expired"),
    ]  # fmt: skip


def test_the_next_stage_is_the_wake_up_of_the_run() -> None:
    kind = runs()
    heads = [kind.head(history.state(), None) for history in (story(CLERKS), story(CLERKS, ev.ApprovalEscalated("0", 1)))]

    assert [head.wake_at for head in heads if head is not None] == [HOUR, 2 * HOUR]


def test_who_it_escalates_to_may_decide_from_then_on_though_no_timer_fired_yet() -> None:
    history, owner = story(CLERKS, ev.ApprovalGiven("0", "Ada")), decide(by="Olga", roles=("owner",))

    with pytest.raises(Refused, match="not theirs"):
        all_of(history, owner, HOUR - 1)
    assert all_of(history, owner, HOUR) == [ev.ApprovalEscalated("0", 1), ev.ApprovalDecided("0", "approved", "Olga", role="owner")]


def test_what_is_decided_does_not_escalate_any_more() -> None:
    story(CLERKS, ev.ApprovalDecided("0", "rejected", "Ada"), now=HOUR).when(cmd.Wake()).then_nothing()


# -- a whole run -------------------------------------------------------------------------------------------------------


PAY = ApprovalPolicy(users=("ada",), roles=("clerk",), quorum=2, escalation=(Escalation(after=timedelta(hours=1), roles=("owner",)),))


@workflow
async def pay() -> list[Any]:
    decision = await approval("pay", show={"cents": 1200}, timeout=DAY, policy=PAY)
    return [decision.outcome, decision.by, [[voice.by, voice.why] for voice in decision.voices]]


@pytest.mark.anyio
async def test_the_code_is_given_all_who_approved_also_by_another_node() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), pay) as runtime:
        run = await runtime.start(pay, id="one")
        (open_,) = await run.approvals()
        await run.approve(open_, by="ada", why="fine")
    async with node(log.carrier(2), pay) as runtime:
        run = runtime.run("one")
        (half,) = await run.approvals()
        with pytest.raises(Refused, match="not theirs"):
            await run.approve(half, by="ada")
        await run.approve(half, by="carl", roles=["clerk"], why="by me")
        result = await run.result()

    assert (open_.users, open_.roles, open_.quorum, open_.starter_may) == (("ada",), ("clerk",), 2, False)
    assert [voice.by for voice in half.voices] == ["ada"]
    assert result == ["approved", "carl", [["ada", "fine"], ["carl", "by me"]]]
    assert named(log, "one")[-3:] == ["ApprovalGiven", "ApprovalDecided", "RunCompleted"] or "Recovered" in named(log, "one")


@pytest.mark.anyio
async def test_an_inbox_shows_what_one_may_decide() -> None:
    async with node(MemoryLog().carrier(), pay, ask_once) as runtime:
        await runtime.start(pay, id="policy")
        await runtime.start(ask_once, id="anybody")
        seen = {
            who: [one.run for one in (await runtime.approvals(by=who, roles=roles)).approvals]
            for who, roles in (("ada", ()), ("carl", ("clerk",)), ("olga", ("owner",)), ("", ()))
        }
        (open_,) = await runtime.run("policy").approvals()

    assert seen == {"ada": ["anybody", "policy"], "carl": ["anybody", "policy"], "olga": ["anybody"], "": ["anybody", "policy"]}
    assert open_.may("olga", ["owner"], datetime.now(UTC) + timedelta(hours=2))
    assert not open_.may("olga", ["owner"], datetime.now(UTC))


@workflow
async def silence(at_end: AtEnd) -> list[Any]:
    try:
        decision = await approval("pay", timeout=timedelta(hours=3), policy=ApprovalPolicy(at_end=at_end, roles=("clerk",)))
    except ApprovalExpired as expired:
        return ["failed", expired.name]
    return [decision.outcome, decision.by, decision.why]


@pytest.mark.parametrize(
    ("at_end", "result"),
    [("expire", ["expired", "", ""]), ("reject", ["rejected", "", "nobody decided in time"]), ("fail", ["failed", "pay"])],
)
def test_the_policy_says_what_it_means_that_nobody_decided_over_every_crash(at_end: AtEnd, result: list[str]) -> None:
    assert Simulation(1).run(silence, at_end, crash_after_every_append=True).value == result


@pytest.mark.parametrize("crashes", [False, True])
def test_escalation_brings_in_others_in_time_over_every_crash(crashes: bool) -> None:
    olga = Approve("pay", by="olga", roles=("owner",))
    acts: list[tuple[float, Act]] = [(60.0, Approve("pay", by="ada")), (120.0, olga), (7200.0, olga)]
    outcome = Simulation(3).run(pay, acts=acts, crash_after_every_append=crashes)

    assert outcome.value == ["approved", "olga", [["ada", ""], ["olga", ""]]]
    assert timedelta(hours=2) <= outcome.elapsed < timedelta(hours=3)
    assert len(outcome.refused) == 1
    assert [type(event).__name__ for event in outcome.events if "Approval" in type(event).__name__] == [
        "ApprovalRequested", "ApprovalGiven", "ApprovalEscalated", "ApprovalDecided",
    ]  # fmt: skip


@workflow
async def asks(roles: list[str]) -> str:
    return (await approval("pay", policy=ApprovalPolicy(roles=tuple(roles)))).outcome


@pytest.mark.anyio
async def test_code_that_asks_other_people_than_the_log_says_has_diverged() -> None:
    @workflow(name="asks")
    async def others(roles: list[str]) -> str:
        return (await approval("pay", policy=ApprovalPolicy(roles=(*roles, "owner")))).outcome

    log = MemoryLog()
    async with node(log.carrier(1), asks) as runtime:
        await runtime.start(asks, ["clerk"], id="one")
    async with node(log.carrier(2), others) as runtime:
        reason = (await runtime.run("one").look()).reason
    (suspended,) = [event for event in events_of(log, "one") if isinstance(event, ev.Suspended)]

    assert "disagree" in reason
    assert '{"roles":["clerk"]}' in suspended.expected
    assert '{"roles":["clerk","owner"]}' in suspended.found


@pytest.mark.anyio
async def test_who_has_approved_has_still_done_so_when_the_run_is_retried() -> None:
    approved, tries = anyio.Event(), [True, False]

    @step
    async def first_fails() -> str:
        await approved.wait()
        if tries.pop(0):
            raise perdure.Fatal("broken")
        return "whole"

    @workflow
    async def flow() -> list[Any]:
        result, decision = await perdure.gather(first_fails(), approval("pay", policy=PAY))
        return [result, *(voice.by for voice in decision.voices)]

    async with node(MemoryLog().carrier(), flow) as runtime:
        run = await runtime.start(flow, id="one")
        (open_,) = await run.approvals()
        await run.approve(open_, by="ada")
        approved.set()
        with pytest.raises(perdure.RunError):
            await run.result()
        await run.retry()
        (again,) = await run.approvals()
        await run.approve(again, by="carl", roles=["clerk"])

        assert [voice.by for voice in again.voices] == ["ada"]
        assert await run.result() == ["whole", "ada", "carl"]


# -- policies that could not be met ---------------------------------------------------------------------------------------


def untyped(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        (ApprovalPolicy(quorum=0), "quorum"),
        (ApprovalPolicy(users=("ada", "bob"), quorum=3), "quorum"),
        (ApprovalPolicy(users=("",)), "users, roles"),
        (ApprovalPolicy(roles=untyped("clerk")), "users, roles"),
        (ApprovalPolicy(escalation=(Escalation(after=DAY, roles=("owner",)),)), "escalation"),
        (ApprovalPolicy(escalation=(Escalation(after=timedelta(hours=1)),)), "escalation"),
        (ApprovalPolicy(at_end=untyped("never")), "at_end"),
    ],
)
def test_a_policy_that_could_never_be_met_is_invalid(policy: ApprovalPolicy, where: str) -> None:
    with pytest.raises(Invalid) as error:
        _ = approval("pay", timeout=DAY, policy=policy)

    assert error.value.where == where


def test_silence_can_mean_nothing_where_there_is_no_timeout() -> None:
    with pytest.raises(Invalid, match="could not be met"):
        _ = approval("pay", policy=ApprovalPolicy(at_end="reject"))


def test_an_approval_without_a_policy_is_in_the_log_as_it_always_was() -> None:
    (_, bare) = asked(None)

    assert b"terms" not in msgspec.json.encode(bare)
