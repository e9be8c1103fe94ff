"""Serving: bounds on what a request may be, events as they happen, and counts of it all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

import perdure
from perdure.adapters.http import serving
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.http.shop import FLOWS, RUNS, SECRET, shop

pytestmark = pytest.mark.anyio


async def test_events_are_told_as_they_happen_and_taken_up_again_by_the_last_id() -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("acme", "ann", ["starter"])
        app = asgi(runtime, HttpSettings(key_secret=SECRET))
        async with served(app, "127.0.0.1", 0) as address, httpx.AsyncClient(base_url=address) as client:
            client.headers["x-api-key"] = made.text
            run = (await client.post(RUNS, json={"workflow": "asks"})).json()["run"]
            seen = await streamed(client, f"{RUNS}/{run}/events", until="ApprovalRequested")
            end = runtime.run(run, tenant="acme").cancel
            later, _ = await asyncio.gather(streamed(client, f"{RUNS}/{run}/events", until="end", last=seen[-1][0]), end())
            over = await client.get(f"{RUNS}/{run}/events", headers={"accept": "text/event-stream", "last-event-id": str(later[-1][0])})

    numbers = [number for number, _ in seen + later[:-1]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [name for _, name in later][-2:] == ["RunCancelled", "end"]
    assert over.status_code == 204


async def streamed(client: httpx.AsyncClient, path: str, *, until: str, last: int = 0) -> list[tuple[int, str]]:
    """(id, what) of the events of a stream, until one of a type."""
    found: list[tuple[int, str]] = []
    headers = {"accept": "text/event-stream"} | ({"last-event-id": str(last)} if last else {})
    async with asyncio.timeout(20), client.stream("GET", path, headers=headers) as told:
        assert told.headers["content-type"].startswith("text/event-stream")
        number, name = 0, ""
        async for line in told.aiter_lines():
            field, _, text = line.partition(": ")
            if field == "id":
                number = int(text)
            elif field == "event":
                name = text
            elif field == "data":
                found.append((number, name if name == "end" else json.loads(text)["event"]["type"]))
                if found[-1][1] == until:
                    break
    return found


async def test_a_body_has_a_bound_said_or_not() -> None:
    async with shop() as service:
        ann = await service.caller("starter")
        headers = ann.headers | {"content-type": "application/json"}
        large = b'{"workflow":"hello","arguments":["' + b"x" * (1024 * 1024) + b'"]}'

        async def pieces() -> AsyncGenerator[bytes]:
            for start in range(0, len(large), 65536):
                yield large[start : start + 65536]

        said = await service.client.post(RUNS, content=large, headers=headers)
        streamed_ = await service.client.post(RUNS, content=pieces(), headers=headers)

        assert [said.status_code, streamed_.status_code] == [413, 413]
        assert said.headers["content-type"] == "application/problem+json"


async def test_who_sends_headers_too_slowly_or_too_many_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADER_SECONDS", 0.2)
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        app = asgi(runtime, HttpSettings(key_secret=SECRET))
        async with served(app, "127.0.0.1", 0) as address, asyncio.timeout(20):
            host, _, port = address.removeprefix("http://").partition(":")
            answers: list[bytes] = []
            for sent in (b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 40_000):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(sent)
                answers.append(await reader.read())
                writer.close()
            async with httpx.AsyncClient(base_url=address) as client:
                good = await client.get("/healthz")

    assert answers[0] == b""
    assert answers[1].startswith(b"HTTP/1.1 431")
    assert good.json() == {"status": "ok"}


async def test_more_requests_than_are_taken_at_once_are_told_to_come_again() -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        ring = keyring_of(runtime, SECRET)
        made = await ring.create("acme", "ann", ["starter"])
        app: Any = asgi(runtime, HttpSettings(key_secret=SECRET, at_once_max=1))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop",
                                     headers={"x-api-key": made.text}) as client:
            run = (await client.post(RUNS, json={"workflow": "asks"})).json()["run"]
            path = f"{RUNS}/{run}/result?within=0.3"
            told = await asyncio.gather(client.get(path), client.get(path))

    assert sorted(one.status_code for one in told) == [202, 503]
    assert next(one for one in told if one.status_code == 503).headers["retry-after"] == "1"


async def test_a_path_says_all_that_may_be_asked_of_it() -> None:
    async with shop() as service:
        told = [await service.client.options(path) for path in (RUNS, "/api/v1/workflows/definitions/x", "/healthz")]

    assert [(one.status_code, one.headers["allow"], one.content) for one in told] == [
        (204, "GET, OPTIONS, POST", b""), (204, "DELETE, GET, OPTIONS, PUT", b""), (204, "GET, HEAD, OPTIONS", b""),
    ]  # fmt: skip


async def test_metrics_count_by_operation_and_name_no_run() -> None:
    async with shop() as service:
        admin = await service.caller("admin")
        await admin.start("asks", [], run="secret-run")
        await admin.get(f"{RUNS}/secret-run")
        text = (await admin.get("/metrics")).text

        assert 'http_requests_total{path="/api/v1/workflows/runs",method="POST",status_code="201"} 1' in text
        assert 'http_request_duration_seconds_count{path="/api/v1/workflows/runs/{run_id}"} 1' in text
        assert "secret" not in text
