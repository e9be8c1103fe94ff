"""The dialer on real sockets: what it says, what it makes of answers, and what of silence."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import pytest

from perdure.adapters.dialer.dialer import Dialer
from perdure.adapters.dialer.rules import Rules
from perdure.eventlog.errors import Invalid, Refused, Unavailable

pytestmark = pytest.mark.anyio

Serve = Callable[[anyio.abc.SocketStream], Awaitable[None]]


@asynccontextmanager
async def served(serve: Serve) -> AsyncGenerator[int]:
    """The port of a server on this machine."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:

        async def handle(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                await serve(stream)

        group.start_soon(listener.serve, handle)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django here
        group.cancel_scope.cancel()


def dialer_to(port: int) -> Dialer:
    return Dialer(Rules.of({"PERDURE_DIAL_HTTP": "1", "PERDURE_DIAL_PORTS": str(port), "PERDURE_DIAL_PRIVATE": "127.0.0.0/8"}))


def saying(answer: bytes) -> Serve:
    async def serve(stream: anyio.abc.SocketStream) -> None:
        await stream.receive()
        await stream.send(answer)

    return serve


async def test_a_call_brings_the_answer_and_as_much_of_its_body_as_is_wanted() -> None:
    async with served(saying(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 10\r\n\r\n0123456789")) as port:
        answer = await dialer_to(port).send("GET", f"http://127.0.0.1:{port}/", within=5, answer_bytes=4)

    assert (answer.status, answer.headers["x-a"], answer.body, answer.cut) == (200, "1", b"0123", True)


async def test_who_does_not_answer_in_time_is_unavailable() -> None:
    async def silent(stream: anyio.abc.SocketStream) -> None:
        await anyio.sleep_forever()

    async with served(silent) as port:
        with pytest.raises(Unavailable, match="did not answer in time"):
            await dialer_to(port).send("GET", f"http://127.0.0.1:{port}/", within=0.05)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01"])
async def test_who_answers_half_or_in_another_tongue_is_unavailable(answer: bytes) -> None:
    async with served(saying(answer)) as port:
        with pytest.raises(Unavailable, match="did not answer"):
            await dialer_to(port).send("GET", f"http://127.0.0.1:{port}/", within=5)


async def test_what_listens_inside_hears_nothing() -> None:
    heard: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        heard.append(await stream.receive())

    async with served(serve) as port:
        rules = Rules.of({"PERDURE_DIAL_HTTP": "1", "PERDURE_DIAL_PORTS": str(port)})
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"):  # noqa: S104 - one of the ways in
            with pytest.raises((Refused, Invalid)):
                await Dialer(rules).send("GET", f"http://{host}:{port}/", within=5)

    assert heard == []


async def test_the_name_of_the_host_is_what_tls_asks_for() -> None:
    heard: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        heard.append(await stream.receive())

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with served(serve) as port:
        rules = Rules.of({"PERDURE_DIAL_PORTS": str(port), "PERDURE_DIAL_PRIVATE": "127.0.0.0/8"})
        with pytest.raises(Unavailable):
            await Dialer(rules, resolve=resolve).send("GET", f"https://hooks.example.com:{port}/", within=5)

    assert re.search(rb"hooks\.example\.com", heard[0]) is not None


@pytest.mark.parametrize(("name", "value"), [("X-A", "1\r\nX-B: 2"), ("X A", "1"), ("Host", "evil.example"), ("X-A", "\u00e9")])
async def test_a_header_that_says_more_than_it_should_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid):
        await dialer_to(443).send("GET", "https://127.0.0.1/", within=5, headers={name: value})


async def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Unavailable, match="a host has no address"):
        await Dialer(Rules(), resolve=resolve).send("GET", "https://hooks.example.com/", within=5)
