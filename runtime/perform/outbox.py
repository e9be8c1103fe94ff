"""The outbox: what runs send to other runs, as requests through the door that everybody uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Raw

from ..requests import CancelRun, SignalRun


class RequestOutbox:
    """Sends by requests to whoever serves the other run."""

    def __init__(self, do: Callable[[SignalRun | CancelRun], Awaitable[object]]) -> None:
        self._do = do

    async def signal(self, tenant: str, run: str, name: str, value: Raw, command: str) -> None:
        await self._do(SignalRun(tenant=tenant, run=run, name=name, value=value, command=command))

    async def cancel(self, tenant: str, run: str, reason: str, command: str) -> None:
        await self._do(CancelRun(tenant=tenant, run=run, reason=reason, command=command))
