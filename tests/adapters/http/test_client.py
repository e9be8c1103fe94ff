"""The client over HTTP has the methods of a runtime, and a program moves between an embedded log, NATS and a service by its URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure import Corrupt, Gone, Invalid, NotFound, Refused, Unavailable
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.auth.principals import Denied, Unauthenticated
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from perdure.runtime.calling import Calling
from perdure.runtime.definitions.faults import FaultyDefinition
from perdure.runtime.requests import SignalRun
from perdure.runtime.settings.artifacts import DAY
from tests.adapters.http import program
from tests.adapters.http.moving import story
from tests.adapters.http.shop import FLOWS, SECRET, hello, order
from tests.adapters.http.test_definitions import ADD, FAULTY
from tests.adapters.nats.server import NatsServer

pytestmark = pytest.mark.anyio

LOG = {"id": "a", "type": "log", "config": {"message": "done"}}


@asynccontextmanager
async def over_http(*roles: str, url: str = "memory:") -> AsyncGenerator[Calling]:
    """A client of a service on a socket."""
    async with perdure.open(url, workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", roles)
        async with (
            served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as address,
            perdure.connect(address, key=made.text, workflows=FLOWS) as client,
        ):
            yield client


async def test_one_program_moves_by_url(nats_server: NatsServer) -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        embedded = await story(runtime)
    async with over_http("operator", "starter") as client:
        told_over_http = await story(client)
    there = f"{nats_server.url}/moves-{uuid4().hex[:8]}"
    async with perdure.open(there, workflows=FLOWS), perdure.connect(there, workflows=FLOWS) as client:
        told_over_nats = await story(client)

    assert told_over_http == embedded
    assert told_over_nats == embedded
    assert len(embedded) > 15


async def test_a_program_says_the_same_here_and_over_http(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await program.main("memory:")
    embedded = capsys.readouterr().out
    async with perdure.open("memory:", workflows=[program.order]) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", ["operator", "starter"])
        monkeypatch.setenv("PERDURE_API_KEY", made.text)
        async with served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as address:
            await program.main(address)

    assert capsys.readouterr().out == embedded
    assert embedded.splitlines()[6:8] == ["shipped kettle from shelf 3 to Elm Street", "in 11 events, the last RunCompleted"]


async def test_who_may_not_or_is_not_known_is_told_so_as_an_error() -> None:
    async with over_http("viewer") as client:
        with pytest.raises(Denied, match="not allowed"):
            await client.start(hello, "Ann")
        with pytest.raises(NotFound, match="no such run"):
            await client.run("nobody").look()
        with pytest.raises(Invalid, match="whose tenant"):
            await client.run("nobody", tenant="other").look()
    async with (
        perdure.open("memory:") as runtime,
        served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as address,
        perdure.connect(address) as nobody,
    ):
        with pytest.raises(Unauthenticated):
            await nobody.runs()


async def test_a_service_that_is_away_is_unavailable_in_time() -> None:
    async with perdure.connect("http://127.0.0.1:9") as client:
        with pytest.raises(Unavailable, match="has not answered"):
            await client.do(SignalRun(run="r", name="n", within=0.2))


async def test_a_wait_ends_in_its_time_and_the_run_goes_on() -> None:
    async with over_http("starter") as client:
        run = await client.start(order, 7, id="a/b c")
        with pytest.raises(Unavailable, match="not ended yet"):
            await run.result(within=timedelta(seconds=0.1))
        await run.signal("address", {"street": "Elm"}["street"])

        assert await run.result() == "7 to Elm"


async def test_definitions_are_kept_compared_and_run_from_afar() -> None:
    async with over_http("author") as client:
        kept = [await client.apply_definition(text) for text in (ADD, ADD.replace("+ 1", "+ 2"), ADD.replace("+ 1", "+ 2"))]
        run = await client.start_definition("add", {"n": 1}, version=1, id="r")
        adhoc = [await client.start_definition(ADD, {"n": 1}), await client.start_definition({"name": "x", "steps": [LOG]})]

        assert [one.version for one in kept] == [1, 2, 2]
        assert [await one.result() for one in (run, *adhoc)] == [2, 2, None]
        assert [line.version for line in (await client.definitions()).definitions] == [2]
        assert (await client.definition("add", version=1)).history[0].by == "ann"
        assert (await client.check_definition(FAULTY)).faults[0].line == 3
        assert {"transform", "log"} <= {line.name for line in (await client.step_types()).types}
        with pytest.raises(FaultyDefinition) as told:
            await client.apply_definition(FAULTY)
        assert [fault.line for fault in told.value.faults] == [3, 5, 6]
        with pytest.raises(Refused, match="another version"):
            await client.apply_definition(ADD, expected=0)
        assert (await client.archive_definition("add", expected=2)).archived
        assert (await client.definitions()).definitions == []
        assert [line.name for line in (await client.definitions(archived=True)).definitions] == ["add"]


async def test_a_key_is_for_a_service_alone() -> None:
    with pytest.raises(Invalid, match="asks for a key"):
        async with perdure.connect("nats://127.0.0.1:4222/shop", key="x"):
            pass


@perdure.step
async def keep_much() -> None:
    async with perdure.current().artifact("large.bin") as out:
        for number in range(300):
            await out.write(bytes([number % 256]) * 8192)


@perdure.workflow
async def keeps() -> None:
    await keep_much()
    await perdure.signal("go", str)


async def test_an_artifact_is_read_in_chunks_over_http_and_what_came_differently_is_corrupt() -> None:
    settings = perdure.Settings(artifacts=perdure.ArtifactSettings(enabled=True, retention_days=0.05 / DAY, interval_seconds=0.05))
    async with perdure.open("memory:", workflows=[keeps, *FLOWS], settings=settings) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", ["viewer", "starter"])
        service = asgi(runtime, HttpSettings(key_secret=SECRET))

        async def injured(scope: Any, receive: Any, send: Any) -> None:
            async def pass_on(message: Any) -> None:
                body = message.get("body", b"")
                await send({**message, "body": b"?" + body[1:]} if len(body) > 8192 else message)

            await service(scope, receive, pass_on)

        async with (
            served(service, "127.0.0.1", 0) as address,
            served(injured, "127.0.0.1", 0) as elsewhere,
            perdure.connect(address, key=made.text) as client,
            perdure.connect(elsewhere, key=made.text) as deceived,
            perdure.connect("http://127.0.0.1:9") as lonely,
        ):
            run = await client.start(keeps)
            async for _ in run.follow(types=["StepCompleted"]):
                break
            chunks = [chunk async for chunk in client.artifact(run.id, "large.bin")]
            with pytest.raises(Corrupt):
                assert [chunk async for chunk in deceived.artifact(run.id, "large.bin")] == []
            with pytest.raises(Unavailable):
                await anext(lonely.artifact(run.id, "large.bin"))
            with pytest.raises(Invalid, match="whose tenant"):
                await anext(client.artifact(run.id, "large.bin", tenant="acme"))
            await run.signal("go", "on")
            with anyio.fail_after(10):
                while not (await client.artifacts(run.id))["large.bin"].gone:
                    pass
            known, embedded = await client.artifacts(run.id), await runtime.artifacts(run.id)
            with pytest.raises(Gone):
                await anext(client.artifact(run.id, "large.bin"))

    assert (sum(map(len, chunks)), len(chunks) > 1) == (300 * 8192, True)
    assert known == embedded
