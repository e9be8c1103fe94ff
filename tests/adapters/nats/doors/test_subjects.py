"""Subjects, headers and bodies as requests; what does not fit is refused and says what would."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from perdure import Invalid, TooLarge
from perdure.adapters.nats.doors.subjects import VERBS, request_of
from perdure.eventlog.streams import escape
from perdure.runtime.requests import (
    AnyRequest,
    AwaitRun,
    CancelRun,
    DecideApproval,
    PauseRun,
    QueryRun,
    ResumeRun,
    RetryRun,
    SignalRun,
    SkipStep,
    StartRun,
    UpdateRun,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

ASKED: list[tuple[str, dict[str, str], bytes, AnyRequest]] = [
    ("start.order", {}, b"", StartRun(workflow="order")),
    ("start.order", {}, b'[1, "x"]', StartRun(workflow="order", arguments=Raw(b'[1, "x"]'))),
    ("start.two_2ewords", {}, b'{"a":1}', StartRun(workflow="two.words", arguments=Raw(b'{"a":1}'))),
    (
        "start.order",
        {"Perdure-Run-Id": "o-7", "Perdure-Command-Id": "web/1", "Perdure-Tenant": "north", "traceparent": TRACE},
        b" ",
        StartRun(workflow="order", run="o-7", command="web/1", tenant="north", trace=TRACE),
    ),
    ("start.order", {"traceparent": "00-1-2-03"}, b"", StartRun(workflow="order")),
    (
        "start.order",
        {
            "perdure-delay": "1.5", "PERDURE-DEADLINE": "60", "Perdure-Version": "2",
            "Perdure-On-Conflict": "refuse", "Perdure-Reuse": "always",
        },
        b"",
        StartRun(workflow="order", delay=1.5, deadline=60.0, version=2, on_conflict="refuse", reuse="always"),
    ),
    ("run.o-7.signal.paid", {}, b' {"by": 1}', SignalRun(run="o-7", name="paid", value=Raw(b' {"by": 1}'))),
    ("run.o-7.signal.paid", {"Perdure-Command-Id": "a"}, b"", SignalRun(run="o-7", name="paid", command="a")),
    ("run._c3_a9.update.add_5fto", {}, b"[2]", UpdateRun(run="é", name="add_to", arguments=Raw(b"[2]"))),
    ("run.o-7.query.state", {"Perdure-Within": "2"}, b"", QueryRun(run="o-7", name="state", within=2.0)),
    ("run.o-7.pause", {}, b'{"reason":"lunch","wait":true}', PauseRun(run="o-7", reason="lunch", wait=True)),
    ("run.o-7.resume", {}, b"{}", ResumeRun(run="o-7")),
    ("run.o-7.cancel", {}, b"", CancelRun(run="o-7")),
    ("run.o-7.retry", {}, b'{"from_version":4,"fresh_keys":true}', RetryRun(run="o-7", from_version=4, fresh_keys=True)),
    (
        "run.o-7.approve",
        {},
        b'{"by":"ann","digest":"d","name":"refund"}',
        DecideApproval(run="o-7", outcome="approved", by="ann", digest="d", name="refund"),
    ),
    (
        "run.o-7.reject",
        {},
        b'{"by":"ann","digest":"d","id":"3"}',
        DecideApproval(run="o-7", outcome="rejected", by="ann", digest="d", id="3"),
    ),
    ("run.o-7.skip", {}, b'{"step":"charge","value":[1.50]}', SkipStep(run="o-7", step="charge", value=Raw(b"[1.50]"))),
    ("run.o-7.result", {"Perdure-Within": "9"}, b"", AwaitRun(run="o-7", within=9.0)),
]


@pytest.mark.parametrize(("address", "headers", "body", "request_"), ASKED, ids=[f"{a} {n}" for n, (a, *_) in enumerate(ASKED)])
def test_a_message_is_the_request_that_it_says(address: str, headers: dict[str, str], body: bytes, request_: AnyRequest) -> None:
    assert msgspec.json.encode(request_of(address, headers, body)) == msgspec.json.encode(request_)


REFUSED: list[tuple[str, dict[str, str], bytes, str, str]] = [
    ("start", {}, b"", "subject", "start.<workflow>"),
    ("start.a.b", {}, b"", "subject", "run.<id>.<verb>"),
    ("begin.a", {}, b"", "subject", "begin.a"),
    ("run.a", {}, b"", "subject", "run.<id>.<verb>"),
    ("run.a.explode", {}, b"", "subject", "terminate"),
    ("run.a.signal", {}, b"", "subject", "one name"),
    ("run.a.signal.b.c", {}, b"", "subject", "one name"),
    ("run.a.cancel.b", {}, b"", "subject", "nothing behind"),
    ("run..cancel", {}, b"", "id", "''"),
    ("run.order_7.cancel", {}, b"", "id", "order_5f7"),
    ("run.a_61.cancel", {}, b"", "id", "hexadecimal"),
    ("run.a_ff.cancel", {}, b"", "id", "hexadecimal"),
    ("run.é.cancel", {}, b"", "id", "_c3_a9"),
    ("start.order", {"Perdure-RunId": "a"}, b"", "header Perdure-RunId", "Perdure-Run-Id"),
    ("run.a.cancel", {"Perdure-Run-Id": "b"}, b"", "header Perdure-Run-Id", "Perdure-Command-Id"),
    ("start.order", {"Perdure-Delay": "soon"}, b"", "header Perdure-Delay", "'soon'"),
    ("start.order", {"Perdure-Reuse": "maybe"}, b"", "header Perdure-Reuse", "'maybe'"),
    ("start.order", {}, b"7", "$", "array"),
    ("start.order", {}, b"[1,", "$", "JSON"),
    ("start.order", {}, b'["\xff"]', "$", "JSON"),
    ("start.order", {}, b"[" * 65 + b"]" * 65, "$", "64 levels"),
    ("run.a.signal.b", {}, b"NaN", "$", "JSON"),
    ("run.a.signal.b", {}, b'{"a": "\\ud800"}', "$", "JSON"),
    ("run.a.pause", {}, b'{"wait":"yes"}', "$.wait", "bool"),
    ("run.a.pause", {}, b'{"run":"b"}', "$.run", "reason"),
    ("run.a.approve", {}, b'{"by":"ann"}', "$.digest", "digest"),
    ("run.a.approve", {}, b'{"by":"ann","digest":"d","outcome":"rejected"}', "$.outcome", "outcome"),
    ("run.a.resume", {}, b'{"reason":"x"}', "$.reason", "children"),
    ("run.a.skip", {}, b'{"step":"s","value":"\xff"}', "$.value", "JSON"),
    ("run.a.cancel", {}, b"[]", "$", "object"),
]


@pytest.mark.parametrize(("address", "headers", "body", "where", "says"), REFUSED, ids=[f"{a} {n}" for n, (a, *_) in enumerate(REFUSED)])
def test_what_does_not_fit_says_what_would(address: str, headers: dict[str, str], body: bytes, where: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        request_of(address, headers, body)

    parts = caught.value.parts()
    assert parts.keys() == {"message", "who", "where", "expected", "found", "instead"}
    assert parts["where"] == where
    assert says in str(caught.value)
    assert address in parts["who"]


@pytest.mark.parametrize("address", ["start.order", "run.a.signal.b", "run.a.update.b", "run.a.cancel"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(address: str) -> None:
    with pytest.raises(TooLarge, match="at most 10 bytes"):
        request_of(address, {}, b"[" + b"1," * 10, bytes_max=10)


def test_every_verb_takes_every_id_and_name_that_streams_take() -> None:
    odd = "a.b c/é_*>-"
    for verb, known in VERBS.items():
        required = {name: "x" for name, field in known.options.items() if field.required} | ({"version": 2} if verb == "upgrade" else {})
        address = f"run.{escape(odd)}.{verb}" + f".{escape(odd)}" * known.named
        request = request_of(address, {}, msgspec.json.encode(required) if known.body == "options" else b"")

        assert isinstance(request, known.of)
        assert getattr(request, "run", "") == odd
        assert not known.named or getattr(request, "name", "") == odd
