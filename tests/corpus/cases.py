"""The corpus as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

from tests.corpus import branching, plain, stopped
from tests.corpus.case import DAY, HOUR, Case, cancel, signals
from tests.corpus.cases_defined import CASES_DEFINED
from tests.corpus.cases_with_others import CASES_WITH_OTHERS
from tests.corpus.script import Message

PACKED = datetime(2024, 2, 29, 12, tzinfo=UTC)

_PARCEL = {"packed": "2024-03-01T12:00:00Z", "weight": "4.40", "label": "AP8=", "size": [3, 4]}
_LETTERS = [*signals("word", (timedelta(0), "early")), *signals("number", (HOUR, 1), (HOUR, 2), (2 * HOUR, 3))]
_HEATS = [[f"q:{q}", "over", f"p:{p}", f"q:{q}", f"r:{r}"] for p, q, r in product(range(3), repeat=3)]
_TIDY = [[f"{won} again", *(f"undone {name}" for name in "abc" if name != won)] for won in "abc"]

CASES_ALONE = [
    Case(plain.line, (12,), results=[66]),
    Case(plain.branching, (6,), results=[[6, 3, 10, 5, 16, 8, 4, 2, 1]]),
    Case(plain.threads, (3,), results=[83]),
    Case(plain.persistent, results=[[3, 1, 4]]),
    Case(plain.compensated, results=[["undone hotel", "undone flight", "ValueError", "no car"]]),
    Case(plain.exhausted, status="failed", failure=("ConnectionError", "attempt 4")),
    Case(plain.hopeless, status="failed", failure=("Fatal", "no such customer")),
    Case(plain.stock, (5,), results=["3 tea"]),
    Case(plain.wrong, (1,), status="failed", failure=("KeyError", "1")),
    Case(plain.unfit, results=["Invalid"]),
    Case(plain.slow, results=[[3, 1]]),
    Case(plain.parcel, (PACKED,), results=[_PARCEL]),
    Case(plain.chance),
    Case(plain.diary, ("o-1",), results=[{"workflow": "diary", "version": 1}]),
    Case(plain.naps, results=[[True, True, True]]),
    Case(plain.mail, messages=_LETTERS, results=[[1, 2, 3, "early"]]),
    Case(branching.fan_out, (200,), results=[39800]),
    Case(branching.two_lines, results=[[["a0", "a1", "a2", "a3"], ["b0", "b1", "b2", "b3"]]]),
    Case(branching.nested, results=[[2 + 2 + 6, 30 + 6 + 42, 90, 6]]),
    Case(branching.group_fails, results=[["step 'fail' failed: ValueError: broken", "undone a", "undone c"]]),
    Case(branching.group_grows, (4,), results=[8 + 5]),
    Case(branching.kept_errors, results=[["3", "StepError", "OutOfStock", "2"]]),
    Case(branching.gather_fails, results=[["undone careful", "broken"]]),
    Case(branching.limits, results=[["short late", "long", "outer"]]),
    Case(branching.quickest, results=[0, 1, 2]),
    Case(branching.tidy_losers, results=_TIDY),
    Case(branching.signal_or_timer, messages=signals("go", (HOUR, "now")), results=[["0:None", "1:now"]]),
    Case(branching.both_there, messages=[*signals("x", (timedelta(0), "x")), *signals("y", (timedelta(0), "y"))], results=[["x", "y"]]),
    Case(branching.races_within, results=_HEATS),
    Case(stopped.cancelled_waiting, messages=cancel(HOUR), status="cancelled"),
    Case(stopped.cancelled_deep, messages=cancel(HOUR), status="cancelled"),
    Case(stopped.resists, messages=cancel(HOUR), status="cancelled"),
    Case(stopped.cancelled_in_cleanup, messages=cancel(DAY), status="cancelled"),
    Case(stopped.killed_off, messages=[Message("terminate", HOUR)], status="terminated"),
    Case(stopped.too_late, messages=cancel(DAY), results=["done"]),
]

CASES = [*CASES_ALONE, *CASES_WITH_OTHERS, *CASES_DEFINED]
