"""What doors carry: each Request and each Reply as JSON, errors included."""

from __future__ import annotations

import re

import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import NotFound, Unavailable, step, workflow
from perdure.eventlog.errors import PerdureError
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import (
    Answered,
    AnyReply,
    AnyRequest,
    Applied,
    AwaitRun,
    CancelRun,
    Declined,
    LookAtRun,
    QueryRun,
    SignalRun,
    StartRun,
    TerminateRun,
    UpdateRun,
)
from tests.laws.node import node


@step
async def add(a: int, b: int) -> int:
    return a + b


@workflow
async def total(a: int, b: int = 2, c: int = 3) -> int:
    return await add(await add(a, b), c)


@workflow
async def parked() -> int:
    doubled: list[int] = []

    def double(number: int) -> int:
        doubled.append(number)
        return 2 * number

    perdure.on_update("double", double)
    perdure.on_query("doubled", lambda: len(doubled))
    return await perdure.signal("n", int)


REQUESTS: list[tuple[AnyRequest, str]] = [
    (StartRun(workflow="total", arguments=Raw(b"[1]"), run="t", command="c1"), "running|completed"),
    (AwaitRun(run="t", within=10.0), "completed"),
    (StartRun(workflow="total", arguments=Raw(b"[9]"), run="t"), "refused"),
    (StartRun(workflow="total", arguments=Raw(b'["x"]')), "invalid"),
    (StartRun(workflow="nothing"), "not_found"),
    (StartRun(workflow="parked", run="p", tenant="north"), "running"),
    (SignalRun(run="p", tenant="north", name="other", value=Raw(b'{"a":[1,2.5,null]}'), command="c2"), "running"),
    (UpdateRun(run="p", tenant="north", name="double", arguments=Raw(b"[4]"), command="c5"), "8"),
    (QueryRun(run="p", tenant="north", name="doubled", arguments=Raw(b"{}")), "1"),
    (QueryRun(run="p", tenant="north", name="nothing"), "refused"),
    (LookAtRun(run="p", tenant="north"), "running"),
    (LookAtRun(run="p"), "not_found"),
    (AwaitRun(run="p", tenant="north", within=0.01), "unavailable"),
    (CancelRun(run="p", tenant="north", reason="no more", command="c3"), "cancelled"),
    (StartRun(workflow="parked", run="q"), "running"),
    (TerminateRun(run="q", reason="enough", command="c4"), "terminated"),
    (SignalRun(run="q", name="n"), "refused"),
]


def said(reply: AnyReply) -> str:
    match reply:
        case Applied(status=status):
            return status
        case Answered(result=result):
            return bytes(result).decode()
        case Declined(code=code):
            return code


@pytest.mark.anyio
async def test_every_request_and_every_reply_travels_as_json() -> None:
    requests = msgspec.json.Decoder(AnyRequest)
    replies = msgspec.json.Decoder(AnyReply)
    async with node(MemoryLog().carrier(), total, parked) as runtime:
        for request, becomes in REQUESTS:
            sent = msgspec.json.encode(request)
            asked: AnyRequest = requests.decode(sent)
            reply = await runtime.handle(asked)
            received = replies.decode(msgspec.json.encode(reply))

            assert msgspec.json.encode(requests.decode(sent)) == sent
            assert msgspec.json.encode(received) == msgspec.json.encode(reply)
            assert re.fullmatch(becomes, said(received)), f"{request}: {received}"


@pytest.mark.anyio
async def test_what_is_declined_can_be_raised_again_at_the_other_end() -> None:
    async with node(MemoryLog().carrier(), parked) as runtime:
        reply = await runtime.handle(LookAtRun(run="nobody"))
        slow = await runtime.handle(StartRun(workflow="parked", run="a")), await runtime.handle(AwaitRun(run="a", within=0.0))

    assert isinstance(reply, Declined)
    assert isinstance(slow[1], Declined)
    assert (type(reply.error()), reply.retryable, reply.parts["message"]) == (NotFound, False, "there is no such run")
    assert (type(slow[1].error()), slow[1].retryable) == (Unavailable, True)


@pytest.mark.parametrize("kind", PerdureError.__subclasses__())
def test_every_error_survives_the_way_through_a_reply(kind: type[PerdureError]) -> None:
    error = kind("m", who="a", where="b", expected="c", found="d", instead="e")
    reply = msgspec.json.decode(msgspec.json.encode(Declined.of(error)), type=Declined)

    assert type(reply.error()) is kind
    assert (str(reply.error()), reply.retryable) == (str(error), kind.retryable)
