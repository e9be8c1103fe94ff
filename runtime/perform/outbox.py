"""The outbox: what runs send to other runs, as requests through the door that everybody uses, and to receivers outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Raw

from ...eventlog.log import Heads
from ...eventlog.streams import parts_of
from ..requests import CancelRun, SignalRun
from ..run.notices import Deliver, definition_of, delivery_stream


class RequestOutbox:
    """Sends by requests to whoever serves the other run; webhooks are left with their delivery actors, once `check` lets them."""

    def __init__(
        self, do: Callable[[SignalRun | CancelRun], Awaitable[object]], ask: Callable[[str, Any], Awaitable[Any]],
        check: Callable[[str, str], None], heads: Heads,
    ) -> None:  # fmt: skip
        self._do = do
        self._ask = ask
        self._check = check
        self._heads = heads

    async def signal(self, tenant: str, run: str, name: str, value: Raw, command: str) -> None:
        await self._do(SignalRun(tenant=tenant, run=run, name=name, value=value, command=command))

    async def cancel(self, tenant: str, run: str, reason: str, command: str) -> None:
        await self._do(CancelRun(tenant=tenant, run=run, reason=reason, command=command))

    async def webhook(self, stream: str, key: str, url: str, topic: str, data: Raw) -> str:
        _, tenant, run = parts_of(stream)
        self._check(url, tenant)
        to = delivery_stream(stream, key)
        await self._ask(to, Deliver(url, topic, data, run, await self._workflow_of(stream)))
        return parts_of(to)[2]

    async def _workflow_of(self, stream: str) -> str:
        """What people call the workflow of a run: of one that is data its own name."""
        found = await self._heads.get(stream)
        if found is None:
            return ""
        head = found.head
        return definition_of(head.title, msgspec.json.decode(head.attributes, type=dict[str, Raw])) or head.title
