"""A shop over HTTP, for tests: some workflows, and callers of any role and tenant."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import jwt

import perdure
from perdure import Runtime, Settings, step, workflow
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.auth.keyring import Keyring
from perdure.adapters.http.auth.token_settings import TokenSettings
from perdure.adapters.http.settings import HttpSettings
from perdure.adapters.http.shelf import Shelf

SECRET = "a secret of thirty-two characters, for tests"  # noqa: S105 - it guards nothing
TOKENS = TokenSettings(secret=SECRET, algorithms=("HS256",), issuer="https://id.example", audience="shop")
RUNS = "/api/v1/workflows/runs"


@step
async def keep(text: str) -> str:
    async with perdure.current().artifact("notes/report.txt") as out:
        await out.write(text.encode() * 100)
    return text


@workflow
async def order(amount: int) -> str:
    """Charges once somebody says an address."""
    notes: list[str] = []

    def add(note: str) -> int:
        notes.append(note)
        return len(notes)

    perdure.on_update("add", add)
    perdure.on_query("notes", lambda: notes)
    await keep("0123456789")
    return f"{amount} to {await perdure.signal('address', str)}"


@workflow
async def asks() -> str:
    return (await perdure.approval("ship", show={"cents": 1200})).outcome


@workflow
async def fails() -> None:
    raise ValueError("no")


@workflow
async def hello(name: str) -> str:
    return f"Hello, {name}!"


FLOWS = (order, asks, fails, hello)


class Caller:
    """Somebody with a key, or without one."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=self.headers | named(headers))

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        given = {} if body is None else {"json": body}
        return await self.client.post(path, headers=self.headers | named(headers), **given)

    async def start(self, flow: str = "order", arguments: Any = (7,), run: str = "") -> str:
        told = await self.post(RUNS, {"workflow": flow, "arguments": list(arguments), **({"run": run} if run else {})})
        assert told.status_code == 201, told.text
        found: str = told.json()["run"]
        return found


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def token(*, user: str, tenant: str = "acme", roles: Sequence[str] = (), algorithm: str = "HS256", seconds: float = 600.0) -> str:
    """A token as who signs for the shop would make it; with the algorithm "none" one that anybody could."""
    told = {"iss": TOKENS.issuer, "aud": TOKENS.audience, "sub": user, "tenant": tenant, "roles": list(roles), "exp": time.time() + seconds}
    return jwt.encode(told, SECRET if algorithm != "none" else "", algorithm)


class Shop:
    """The service, and a way to call it as anybody."""

    def __init__(self, runtime: Runtime, client: httpx.AsyncClient, ring: Keyring, shelf: Shelf) -> None:
        self.runtime = runtime
        self.client = client
        self.ring = ring
        self.shelf = shelf

    async def caller(self, *roles: str, user: str = "ann", tenant: str = "acme") -> Caller:
        made = await self.ring.create(tenant, user, roles)
        return Caller(self.client, {"x-api-key": made.text})

    def nobody(self, **headers: str) -> Caller:
        return Caller(self.client, named(headers))


@asynccontextmanager
async def shop(
    url: str = "memory:", *, flows: Sequence[Any] = FLOWS, settings: Settings | None = None, embedding: str = ""
) -> AsyncGenerator[Shop]:
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(perdure.open(url, workflows=flows, settings=settings))
        folder = stack.enter_context(TemporaryDirectory(prefix="perdure-shop-"))
        shelf = Shelf(lambda: (Path(folder, "documents"), embedding))
        app: Any = asgi(runtime, HttpSettings(key_secret=SECRET, tokens=TOKENS), shelf)
        transport = httpx.ASGITransport(app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://shop"))
        yield Shop(runtime, client, keyring_of(runtime, SECRET), shelf)
