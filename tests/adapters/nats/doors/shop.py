"""A small shop for the tests of doors: workflows, a runtime that serves them behind a door, and a plain client before it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.aio.client import Client

import perdure
from perdure import Invalid, step, workflow
from perdure.adapters.nats.doors.door import door
from perdure.adapters.nats.doors.hall import Bounds
from perdure.adapters.nats.wire.connection import Connection, connect
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.artifacts import StoredArtifacts
from perdure.runtime.authoring.values import Shape
from perdure.runtime.calling import Calling
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import Answered, AnyList, AnyPage, AnyRequest, Applied
from tests.laws.node import node

WAIT = 10.0


@step
async def add(a: int, b: int) -> int:
    return a + b


@workflow
async def total(a: int, b: int = 2) -> int:
    return await add(a, b)


def positive(number: int) -> None:
    if number <= 0:
        raise Invalid("not positive", found=str(number))


@workflow
async def order(customer: str = "c") -> str:
    """Waits for a word; may be asked and told things meanwhile."""
    numbers: list[int] = []

    async def put(number: int) -> int:
        if number == 13:
            raise ValueError("unlucky")
        numbers.append(number)
        return sum(numbers)

    perdure.on_update("put", put, validate=positive)
    perdure.on_query("numbers", lambda: list(numbers))
    word = await perdure.signal("word", str)
    return f"{customer}: {word}"


@workflow
async def refund(amount: int) -> bool:
    decision = await perdure.approval("refund", show={"amount": amount})
    return decision.approved


@workflow
async def broken() -> None:
    raise ValueError("always")


SHOP = (total, order, refund, broken)


@asynccontextmanager
async def shop(
    url: str, namespace: str, *, log: MemoryLog | None = None, carrier: Carrier | None = None, bounds: Bounds | None = None
) -> AsyncGenerator[Runtime]:
    """A runtime behind a door."""
    async with (
        connect(url) as connection,
        node(carrier or (log or MemoryLog()).carrier(), *SHOP) as runtime,
        door(connection, runtime, namespace, bounds=bounds),
    ):
        yield runtime


class Through(StoredArtifacts, Calling):
    """A runtime behind something that tests put before it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def shape_of(self, workflow: str) -> Shape | None:
        return self.runtime.shape_of(workflow)

    async def storage(self) -> Carrier:
        return self.runtime.carrier

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        return await self.runtime.do(request)

    async def _list(self, request: AnyList) -> AnyPage:
        raise AssertionError(request)


class Customer:
    """A plain client: subjects, headers and JSON, nothing of perdure."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.root = f"perdure.{namespace}."

    async def ask(
        self, subject: str, body: Any = None, *, raw: bytes | None = None, within: float = WAIT, **headers: str
    ) -> dict[str, Any]:
        """The answer; a header's name is written with `_` for `-`."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        message = await self.client.request(self.root + subject, data, timeout=within, headers=named or None)
        answer: dict[str, Any] = json.loads(message.data)
        assert (message.headers or {})["Perdure-Status"] == answer["status"]
        return answer


async def plain_client(url: str | list[str]) -> Client:
    library: Any = nats  # its annotations are incomplete
    client: Client = await library.connect(url)
    return client


async def listening(client: Client) -> None:
    """Return once the server knows what the client listens to: nats-py's first question passes what waits to be sent."""
    for _ in range(2):
        await client.flush()


@asynccontextmanager
async def customer(url: str | list[str], namespace: str) -> AsyncGenerator[Customer]:
    client = await plain_client(url)
    try:
        yield Customer(client, namespace)
    finally:
        await client.close()


__all__ = ["SHOP", "WAIT", "Connection", "Customer", "customer", "shop"]
