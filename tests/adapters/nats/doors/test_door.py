"""The door: any NATS client starts and steers runs with JSON, and is always answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from uuid import uuid4

import anyio
import msgspec
import pytest
from nats.errors import NoRespondersError

from perdure.adapters.nats.doors.door import door
from perdure.adapters.nats.doors.hall import Bounds
from perdure.adapters.nats.wire.connection import connect
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import Answered, AnyReply, AnyRequest, Applied, LookAtRun, StartRun
from tests.adapters.nats.doors.shop import SHOP, Customer, Through, customer, shop
from tests.adapters.nats.server import NatsServer
from tests.laws.node import named, node
from tests.runtime.serving import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@pytest.fixture
async def ann(nats_server: NatsServer, namespace: str) -> AsyncGenerator[Customer]:
    """A customer of an open shop."""
    async with shop(nats_server.url, namespace), customer(nats_server.url, namespace) as plain:
        yield plain


async def test_a_run_is_started_with_an_array_or_an_object_and_its_result_awaited(ann: Customer) -> None:
    begun = await ann.ask("start.total", [1], Perdure_Run_Id="t-1", Perdure_Command_Id="ann/1")
    other = await ann.ask("start.total", {"b": 5, "a": 1})

    assert begun["status"] == "applied"
    assert (begun["run"], begun["version"], begun["workflow"]) == ("t-1", 1, "total")
    assert (await ann.ask("run.t-1.result"))["result"] == 3
    assert (await ann.ask(f"run.{other['run']}.result"))["result"] == 6
    again = await ann.ask("start.total", [1], Perdure_Run_Id="t-1", Perdure_Command_Id="ann/1")
    assert (again["run"], again["version"], again["run_status"]) == ("t-1", 1, "completed")


async def test_a_start_that_names_its_command_alone_counts_once(ann: Customer) -> None:
    first, again, other = [await ann.ask("start.total", [1], Perdure_Command_Id=f"ann/{number}") for number in (1, 1, 2)]
    changed = await ann.ask("start.total", [2], Perdure_Command_Id="ann/1")

    assert first["run"] == again["run"] != other["run"]
    assert changed["status"] == "refused"


async def test_a_version_that_nobody_knows_is_refused(ann: Customer) -> None:
    told = await ann.ask("start.total", [1], Perdure_Version="9")

    assert (told["status"], told["code"]) == ("refused", "not_found")


async def test_a_run_is_steered_by_subjects(ann: Customer) -> None:
    await ann.ask("start.order", ["bob"], Perdure_Run_Id="o-1")

    assert await ann.ask("run.o-1.update.put", [4]) | {"version": 0} == {"status": "answered", "run": "o-1", "version": 0, "result": 4}
    assert (await ann.ask("run.o-1.query.numbers"))["result"] == [4]
    assert (await ann.ask("run.o-1.pause", {"reason": "lunch", "wait": True}))["run_status"] == "paused"
    assert (await ann.ask("run.o-1.look"))["reason"] == "lunch"
    assert (await ann.ask("run.o-1.resume"))["run_status"] == "running"
    assert (await ann.ask("run.o-1.signal.word", "ready", Perdure_Command_Id="ann/2"))["status"] == "applied"
    assert (await ann.ask("run.o-1.result"))["result"] == "bob: ready"


async def test_a_run_is_cancelled_terminated_and_retried_by_subjects(ann: Customer) -> None:
    for id in ("c-1", "c-2"):
        await ann.ask("start.order", Perdure_Run_Id=id)
    await ann.ask("start.broken", Perdure_Run_Id="b-1")

    assert (await ann.ask("run.c-1.cancel", {"reason": "no more"}))["run_status"] == "cancelled"
    assert (await ann.ask("run.c-2.terminate"))["run_status"] == "terminated"
    failed = await ann.ask("run.b-1.result")
    assert (failed["run_status"], failed["failure"]["message"]) == ("failed", "always")
    assert (await ann.ask("run.b-1.retry"))["status"] == "applied"


@pytest.mark.parametrize(("verb", "result"), [("approve", True), ("reject", False)])
async def test_what_a_run_asks_people_is_decided_by_subjects(ann: Customer, verb: str, result: bool) -> None:
    await ann.ask("start.refund", [7], Perdure_Run_Id="r-1")
    (asked,) = (await ann.ask("run.r-1.look"))["approvals"]

    assert asked["show"] == {"amount": 7}
    seen = {"id": asked["id"], "digest": asked["digest"], "by": "ann", "why": "it is due"}
    assert (await ann.ask(f"run.r-1.{verb}", seen))["status"] == "applied"
    assert (await ann.ask("run.r-1.result"))["result"] is result


async def test_tenants_are_told_apart_by_a_header(ann: Customer) -> None:
    await ann.ask("start.order", Perdure_Run_Id="o-1", Perdure_Tenant="north")

    assert (await ann.ask("run.o-1.look"))["code"] == "not_found"
    assert (await ann.ask("run.o-1.look", Perdure_Tenant="north"))["run_status"] == "running"


async def test_the_trace_of_who_starts_a_run_is_kept(nats_server: NatsServer, namespace: str) -> None:
    log, trace = MemoryLog(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with shop(nats_server.url, namespace, log=log), customer(nats_server.url, namespace) as ann:
        await ann.ask("start.total", [1], Perdure_Run_Id="t-1", traceparent=trace)
    assert trace.encode() in log.streams["run/default/t-1"][0].data


async def test_a_refusal_says_who_where_what_was_expected_and_found_and_what_to_do(ann: Customer) -> None:
    for subject, raw, code in [
        ("start.nothing", b"", "not_found"), ("start.total", b'["x"]', "invalid"), ("start.total", b"[1,", "invalid"),
        ("run.x.explode", b"", "invalid"), ("run.x", b"", "invalid"), ("start.a.b", b"", "invalid"), ("run.a_b.cancel", b"", "invalid"),
        ("start.total", b"[" * 99, "invalid"),
        ("start.total", b'["' + b"x" * 900_000 + b'"]', "invalid"), ("run.none.cancel", b"", "not_found"),
    ]:  # fmt: skip
        answer = await ann.ask(subject, raw=raw)

        assert answer["status"] == "refused", answer
        assert answer["code"] == code, answer
        assert answer.keys() >= {"message", "who", "expected", "found", "instead"}, answer


async def test_an_update_that_its_validator_refuses_leaves_no_trace(ann: Customer) -> None:
    await ann.ask("start.order", Perdure_Run_Id="o-1")
    answer = await ann.ask("run.o-1.update.put", [-4])

    assert (answer["status"], answer["message"]) == ("refused", "not positive")
    assert (await ann.ask("run.o-1.query.numbers"))["result"] == []


async def test_who_names_a_time_is_answered_in_it(ann: Customer) -> None:
    await ann.ask("start.order", Perdure_Run_Id="o-1")

    assert (await ann.ask("run.o-1.result", Perdure_Within="0.05"))["status"] == "unavailable"
    for nonsense in ("0", "-1", "1000", "inf", "nan"):
        assert (await ann.ask("run.o-1.result", Perdure_Within=nonsense))["where"] == "header Perdure-Within"


async def test_a_message_that_wants_no_answer_is_done_all_the_same(ann: Customer, nats_server: NatsServer) -> None:
    await ann.ask("start.order", ["eve"], Perdure_Run_Id="o-1")
    await ann.client.publish(ann.root + "run.o-1.signal.word", b'"quiet"')
    await ann.client.publish(ann.root + "run.o-1.explode", b"")

    assert (await ann.ask("run.o-1.result"))["result"] == "eve: quiet"


async def test_who_comes_when_it_is_full_hears_so_at_once(nats_server: NatsServer, namespace: str) -> None:
    full = Bounds(waits=1, drain_seconds=0.1)
    async with shop(nats_server.url, namespace, bounds=full) as runtime, customer(nats_server.url, namespace) as ann:
        await ann.ask("start.order", Perdure_Run_Id="o-1")
        first = asyncio.create_task(ann.ask("run.o-1.result"))
        await until(lambda: runtime.performer._waiting)  # that it is inside, no door says
        answer = await ann.ask("run.o-1.result")

        assert (answer["status"], answer["found"]) == ("unavailable", "0 commands and 1 waits, of 0 bytes")
        assert "command id" in answer["instead"]
        assert (await ann.ask("run.o-1.signal.word", "x"))["status"] == "applied"
        assert (await first)["result"] == "c: x"


async def test_a_door_that_closes_answers_those_inside_and_lets_nobody_in(nats_server: NatsServer, namespace: str) -> None:
    async with (
        customer(nats_server.url, namespace) as ann,
        connect(nats_server.url) as connection,
        node(MemoryLog().carrier(), *SHOP) as runtime,
    ):
        async with door(connection, runtime, namespace):
            await ann.ask("start.order", Perdure_Run_Id="o-1")
            waiting = asyncio.create_task(ann.ask("run.o-1.result"))
            await until(lambda: runtime.performer._waiting)  # that it is inside, no door says
        answer = await waiting

        assert (answer["status"], answer["message"]) == ("unavailable", "this worker is leaving")
        with pytest.raises(NoRespondersError):
            await ann.ask("run.o-1.look")


async def test_a_request_is_answered_by_one_of_many_workers(nats_server: NatsServer, namespace: str) -> None:
    log, url = MemoryLog(), nats_server.url
    async with shop(url, namespace, log=log), shop(url, namespace, log=log), customer(url, namespace) as ann:
        for number in range(20):
            await ann.ask("start.total", [number], Perdure_Run_Id=f"t-{number}")
    assert all(named(log, f"t-{number}").count("RunStarted") == 1 for number in range(20))


async def test_whole_requests_get_whole_replies(ann: Customer) -> None:
    reply = msgspec.json.Decoder(AnyReply)
    asked = StartRun(workflow="total", arguments=msgspec.Raw(b"[1]"), run="t-1")
    message = await ann.client.request(ann.root + "request.start", msgspec.json.encode(asked), timeout=5)
    look = await ann.client.request(ann.root + "request.look", msgspec.json.encode(LookAtRun(run="none")), timeout=5)

    assert isinstance(reply.decode(message.data), Applied)
    assert message.headers == {"Perdure-Status": "applied"}
    assert json.loads(look.data)["reply"] == "declined"
    for subject, body in [("request.cancel", asked), ("request.start.more", asked), ("request.start", b'{"request":"start"}'),
                          ("request.signal", b'{"request":"signal","run":"a","name":"b","value":"\xff"}')]:  # fmt: skip
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = json.loads((await ann.client.request(ann.root + subject, data, timeout=5)).data)

        assert (answer["reply"], answer["code"]) == ("declined", "invalid")


@pytest.mark.parametrize(("kind", "body", "told"), [
    ("bogus", {}, ("subject", "upgrade", "bogus")), ("bogus", {"request": "bogus"}, ("subject", "upgrade", "bogus")),
    ("look", {}, ("$.request", "the field 'request'", "nothing")),
    ("signal", {"request": "signal", "run": "a"}, ("$.name", "the field 'name'", "nothing")),
])  # fmt: skip
async def test_a_body_that_is_no_request_is_told_what_it_lacks(
    ann: Customer, kind: str, body: dict[str, str], told: tuple[str, str, str]
) -> None:
    answer = json.loads((await ann.client.request(f"{ann.root}request.{kind}", json.dumps(body).encode(), timeout=5)).data)
    where, expected, found = told

    assert (answer["code"], answer["parts"]["where"], answer["parts"]["found"]) == ("invalid", where, found)
    assert expected in answer["parts"]["expected"].split(", ")


async def test_an_answer_larger_than_the_server_carries_is_refused_and_says_so(nats_server: NatsServer, namespace: str) -> None:
    async with shop(nats_server.url, namespace) as runtime, customer(nats_server.url, namespace) as ann:
        await ann.ask("start.order", ["x" * 600_000], Perdure_Run_Id="o-1")
        await runtime.run("o-1").signal("word", "y" * 600_000)
        answer = await ann.ask("run.o-1.result")

        assert (answer["status"], answer["code"]) == ("refused", "too_large")
        assert "max_payload" in answer["instead"]


class Defective(Through):
    """One whose code is broken."""

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        if isinstance(request, LookAtRun):
            raise ZeroDivisionError("defect")
        return await super()._do(request)


async def test_a_defect_of_a_handler_is_answered_and_ends_nothing(nats_server: NatsServer, namespace: str) -> None:
    async with (
        connect(nats_server.url) as connection,
        node(MemoryLog().carrier(), *SHOP) as runtime,
        door(connection, Defective(runtime), namespace),
        customer(nats_server.url, namespace) as ann,
    ):
        assert (await ann.ask("run.x.look"))["code"] == "bug"
        assert (await ann.ask("start.total", [1]))["status"] == "applied"


async def test_requests_come_through_many_at_once(ann: Customer) -> None:
    with anyio.fail_after(30):
        answers = await asyncio.gather(*(ann.ask("start.total", [number]) for number in range(300)))
        results = await asyncio.gather(*(ann.ask(f"run.{answer['run']}.result") for answer in answers))

    assert [answer["result"] for answer in results] == [number + 2 for number in range(300)]
