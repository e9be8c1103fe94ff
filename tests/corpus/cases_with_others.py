"""Cases of runs that are not left to themselves: others talk to them, decide for them, command them, or are their children."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

from tests.corpus import asking, attempts, books, changing, crowded, families, lives, messages, sagas
from tests.corpus.case import DAY, HOUR, Case, cancel, signals
from tests.corpus.script import Message, Opening

MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=75)
"""About when the second step of a run ends: before it or behind, as the seed has it."""

_ACCOUNT = [
    Message("update", MINUTE / 2, "deposit", [5]),
    Message("query", MINUTE, "balance", []),
    Message("update", MINUTE, "deposit", [0]),
    Message("update", MINUTE, "deposit", [13]),
    Message("update", HOUR, "deposit", [7]),
    *signals("close", (HOUR, None)),
]
_OTHERS = [Message("start", MINUTE, "listener", [], to="-listener"), *signals("go", (HOUR, None))]
_BELLS = [Message("signal_or_start", at, "rung", ["bell", n, []], to="-rung") for n, at in enumerate((MINUTE, 2 * MINUTE))]
_PAUSE = [*signals("word", (timedelta(0), "early")), Message("pause", HOUR / 2), Message("resume", 3 * HOUR)]
_FROZEN = [Message("freeze", HOUR), Message("resume", 5 * HOUR)]
_LARGE = "z" * (attempts.LARGE // 2)
_FORGIVEN = ["failed", "StepError", "step 'fail' failed: ValueError: no", "30", "ChildError"]
_ONCE = [list(told) for told in product(*((word, "interrupted") for word in "abc"))]
_HEARD = [*signals("word", (HOUR, "one")), *signals("end", (HOUR, "end")), *signals("word", (DAY + HOUR, "two"), (2 * DAY, "three"))]

CASES_WITH_OTHERS = [
    Case(messages.tally, (6,), signals("count", (timedelta(0), 1), (HOUR, 2), (DAY, 3)), results=[[1, 2, 3, 6]]),
    Case(
        messages.orders,
        messages=[*signals("order", (MINUTE, "a"), (SOON, "b"), (SOON, "c")), *signals("close", (SOON, None))],
        results=[["a sent", "b sent", "c sent"]],
    ),
    Case(messages.account, messages=_ACCOUNT, results=[[0, 5, 18, 25], [0, 5, 13, 20], [0, 13, 5, 12]]),
    Case(messages.patience, messages=signals("word", (DAY / 2, "hello")), results=[["nothing", "heard hello", "heard hello"]]),
    Case(messages.one_at_a_time, results=[["a in", "a out", "b in", "b out", "c in", "c out"]]),
    Case(messages.tells_others, messages=_OTHERS, results=[["nobody"]], also=[messages.listener]),
    Case(messages.rung, messages=signals("bell", (HOUR, 2)), opening=Opening(signal=("bell", 1)), results=[[1, "coming", 2]]),
    Case(
        messages.doorkeeper, messages=[*_BELLS, *signals("go", (SOON, None))], also=[messages.rung], results=[[[0, "coming", 1], "all in"]]
    ),
    Case(asking.refund, (30,), [Message("approved", 2 * MINUTE, "refund", "it was late")], [["approved", "ada", "it was late", "told"]]),
    Case(
        asking.two_keys,
        messages=[Message("approved", MINUTE, "first"), Message("rejected", MINUTE, "second")],
        results=[["approved", "rejected"]],
    ),
    Case(
        asking.escalated,
        messages=[Message("rejected", HOUR / 2, "manager"), Message("approved", HOUR, "owner")],
        results=[["clerk expired", "manager rejected", "owner approved"]],
    ),
    Case(
        asking.asked_in_a_race,
        messages=[Message("approved", SOON, "now or never")],
        results=[["approved", "after"], ["too late", "after"]],
    ),
    Case(asking.asked_for_a_while, messages=[Message("approved", 2 * HOUR, "ship")], results=[["approved"]]),
    Case(
        asking.four_eyes,
        (1200,),
        messages=[
            Message("approved", MINUTE, "pay", "fine"), Message("approved", 2 * HOUR, "pay", "very well", by="olga", roles=("owner",)),
        ],
        results=[[["ada", "fine"], ["olga", "very well"]]],
    ),
    Case(asking.nobody_cares, results=[["rejected", "nobody decided in time", "nobody decided approval 'yes' in time"]]),
    Case(families.school, also=[families.pupil], results=[[6, 12, 2, 20]]),
    Case(families.forgives, also=[families.pupil, families.rebel], results=[_FORGIVEN]),
    Case(families.fails_with_its_child, also=[families.rebel], status="failed", failure=("ValueError", "not me")),
    Case(
        families.rests_with_its_children,
        messages=[Message("pause_all", HOUR), Message("resume_all", 2 * DAY)],
        also=[families.pupil, families.sleeper],
        results=[["bed", 6, 3]],
    ),
    Case(families.held_by_a_handle, also=[families.listens_to_its_parent, families.sleeper], results=[["hello", "cancelled"]]),
    Case(families.race_of_children, also=[families.pupil, families.sleeper], results=[["0", "2"]]),
    Case(families.leaves_them, ("gone",), also=[families.sleeper], results=["gone"]),
    Case(
        families.attaches,
        messages=[Message("start", MINUTE, "pupil", [3], to="-pupil"), *signals("go", (SOON, None))],
        also=[families.pupil],
        results=[["12", "refused"]],
    ),
    Case(families.cancelled_with_children, messages=cancel(HOUR), also=[families.holds_a_child, families.sleeper], status="cancelled"),
    Case(families.waits_for_the_last_generation, also=[families.counter], results=["generation 4"]),
    Case(lives.subscription, (1, []), signals("payment", (MINUTE, 1), (HOUR, 2), (40 * DAY, 3))),
    Case(lives.passes_on_what_it_heard, messages=_HEARD, results=[[2, ["two", "three"], "end"]]),
    Case(lives.delayed_start, messages=signals("early", (HOUR, "bird")), opening=Opening(delay=DAY), results=[[True, "bird"]]),
    Case(lives.announced, opening=Opening(on_end="https://hooks.example.com/ended"), results=["the end"]),
    Case(lives.past_its_deadline, opening=Opening(deadline=DAY), status="timed_out"),
    Case(lives.paused_in_the_middle, messages=_PAUSE, results=[["after 1", "after 2", "after 30", "early", "end"]]),
    Case(lives.paused_with_its_deadline, messages=_FROZEN, opening=Opening(deadline=3 * HOUR), results=["in time"]),
    Case(lives.cancelled_while_paused, messages=[Message("pause", MINUTE / 2), *cancel(HOUR)], status="cancelled"),
    Case(lives.failed_and_retried, messages=[Message("retry", HOUR), Message("retry", DAY)], results=[[3, 3, 4]]),
    Case(lives.skipped, messages=[Message("skip", DAY, "hopeless_for_long", 7)], results=[[7, 3]]),
    Case(changing.patched_in_branches, results=[["aa", "bb", "cc", "True"]]),
    Case(
        changing.moved_1,
        messages=[Message("upgrade", HOUR, value=2), *signals("go", (2 * HOUR, None))],
        also=[changing.moved_2],
        results=[["old", "left", "right", "end of the new", "2"]],
    ),
    Case(changing.pinned_1, also=[changing.pinned_2], results=["first"]),
    Case(attempts.choosy, results=[["3", "ValueError: attempt 1", "ConnectionRefusedError: attempt 1"]]),
    Case(attempts.limits_of_attempts, results=[["TimeoutError", "TimeoutError", "2"]]),
    Case(attempts.told_the_next, results=[[1, 2, 3]]),
    Case(
        attempts.ended_from_outside,
        messages=[Message("complete", 2 * MINUTE, "ask", "of course"), Message("fail", HOUR, "doubt", "never")],
        results=[["of course", "Refused: never", "meanwhile"]],
    ),
    Case(attempts.once_only, results=_ONCE, shows_kills=True),
    Case(attempts.in_another_process, results=[[[2, 2, 3, 7], "0 has no factors", [2], [3, 3, 3, 3]]]),
    Case(
        attempts.large,
        ("x" * attempts.LARGE,),
        signals("text", (MINUTE, _LARGE)),
        also=[attempts.returns_much],
        results=[[attempts.LARGE, 2 * attempts.LARGE, attempts.LARGE // 2, attempts.LARGE, attempts.LARGE]],
    ),
    Case(attempts.prints, results=[["on A4", True]]),
    Case(attempts.stores, results=[["final", "short", 5]]),
    Case(sagas.trip, results=[["undone hotel", "undone flight", "no car"]]),
    Case(
        sagas.trip_that_stays,
        results=[["step 'fail' failed: ValueError: no car", "step 'flaky' failed: ConnectionError: attempt 4"]],
    ),
    Case(sagas.trip_called_off, messages=cancel(HOUR), status="cancelled"),
    Case(crowded.few_at_once, results=[[0, 1, 2, 3, 3, 5]]),
    Case(crowded.one_for_each, results=[[f"{what} for {who}" for what in ("tea", "milk", "cake") for who in ("ada", "bob")]]),
    Case(crowded.two_a_minute, results=[[0, 1, 2, 3, 4, True]]),
    Case(crowded.siblings_in_a_crowd, also=[crowded.squeezes], results=[[0, 1, 2, 9]]),
    Case(books.keeps_books, results=[[0, 1, 2, 3, 5]], is_transactional=True),
    Case(books.books_at_last, results=[[3, "attempt 4", [7]]], is_transactional=True),
    Case(books.strikes_out, results=[["no more", [1, 1, 1], []]], is_transactional=True),
]
