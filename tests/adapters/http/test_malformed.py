"""Bytes that are no requests: some of each sort that the claim `http-raw` sends, and what was found by it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

import perdure
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.http.battering import Address, batter, told
from tests.adapters.http.malformed import BODY, KEY, SORTS, START, drawn, head, posted
from tests.adapters.http.shop import FLOWS, SECRET

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def service() -> AsyncGenerator[tuple[Address, str]]:
    """Where it is, and a key."""
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("acme", "ann", ["starter"])
        async with served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as url:
            host, _, port = url.removeprefix("http://").rpartition(":")
            yield (host, int(port)), made.text


async def test_no_bytes_break_the_service(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with service() as (address, key):
            found = await batter(address, drawn(7, 6 * len(SORTS), key))
            async with httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}") as client:
                good = await client.get("/healthz")

    assert (found.server_errors, found.smuggled) == ([], [])
    assert found.by_sort.keys() == SORTS.keys()
    assert {200, 201, 400, 422} <= found.statuses.keys()
    assert good.status_code == 200
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_request_whose_length_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read() -> None:
    async with service() as (address, key):
        ambiguous = posted(b"content-length: 4", b"transfer-encoding: chunked", body=b"0\r\n\r\n") + head(b"GET /metrics HTTP/1.1")
        said = await told(address, ambiguous.replace(KEY, key.encode()))

    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1
    assert b"connection: close" in said


async def test_a_body_that_breaks_off_is_no_fault_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with service() as (address, key):
            broken = posted(b"transfer-encoding: chunked", body=b"zz\r\n").replace(KEY, key.encode())
            cut = posted(b"content-length: %d" % (len(BODY) + 9)).replace(KEY, key.encode())
            said = [await told(address, one) for one in (broken, cut)]
            async with httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}", headers={"x-api-key": key}) as client:
                runs = (await client.get(START.decode())).json()["runs"]

    assert [one[:12] for one in said] == [b"HTTP/1.1 400", b""]
    assert runs == []
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize(
    "headers", [[b"x: " + b"y" * 100_000], [b"x-%d: y" % number for number in range(5_000)]], ids=["one long header", "many short ones"]
)
async def test_headers_beyond_the_bound_are_too_long_in_one_piece_and_in_many(headers: list[bytes]) -> None:
    whole = head(b"GET /healthz HTTP/1.1", *headers)
    async with service() as (address, _):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(whole[:20_000])
        await writer.drain()
        said = [await told(address, whole)]
        writer.write(whole[20_000:40_000])  # no end of the headers: the wire is read no further
        said.append(await reader.read())
        writer.close()
        below = await told(address, head(b"GET /healthz HTTP/1.1", b"x: " + b"y" * 30_000))

    for one in said:
        first, _, body = one.partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 431 "), first
        assert (b"application/problem+json" in first.lower(), b"connection: close" in first.lower()) == (True, True)
        assert msgspec.json.decode(body)["code"] == "long_headers"
    assert below.startswith(b"HTTP/1.1 200")


async def test_a_long_query_counts_as_headers_do() -> None:
    async with service() as (address, _):
        said = await told(address, head(b"GET /healthz?x=" + b"y" * 40_000 + b" HTTP/1.1"))

    assert said.startswith(b"HTTP/1.1 431")
