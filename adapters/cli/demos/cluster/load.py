"""The load: customers who start orders and wait for their results, one after another, whatever happens meanwhile."""

from __future__ import annotations

import time
from collections import deque

import anyio
import msgspec
from msgspec import Raw

from .....eventlog.errors import Unavailable
from .....runtime.calling import Calling
from .....runtime.requests import Applied, AwaitRun, StartRun

SLICE_SECONDS = 1.0
"""So long one answer is waited for before it is asked for again: a worker that was killed keeps what it was asked."""
RATE_OVER = 2.0


def run_of(order: int) -> str:
    return f"order-{order}"


class Load:
    """What was asked for, what was acknowledged, and what came of it."""

    def __init__(self, client: Calling) -> None:
        self._client = client
        self._asked = 0
        self._ends: deque[float] = deque()
        self.started: list[int] = []
        """Orders whose start was acknowledged."""
        self.ended: dict[int, object] = {}
        """Results, as they were told."""
        self.slowest = 0.0
        """Seconds that the slowest start since `forget` took to be acknowledged."""
        self.enough = False

    async def drive(self, customers: int) -> None:
        """Return once `enough` is set and every order that was begun has ended."""
        async with anyio.create_task_group() as group:
            for _ in range(customers):
                group.start_soon(self._shop)

    async def _shop(self) -> None:
        while not self.enough:
            self._asked += 1
            order = self._asked
            await self._begin(order)
            self.ended[order] = await self._result(order)
            self._ends.append(time.monotonic())

    async def _begin(self, order: int) -> None:
        began = time.monotonic()
        request = StartRun(workflow="order", arguments=Raw(b"[%d]" % order), run=run_of(order), command=f"start {order}")
        while True:
            try:
                await self._client.do(request)
                break
            except Unavailable:
                continue  # under the same command id it counts once
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.started.append(order)

    async def _result(self, order: int) -> object:
        while True:
            try:
                applied: Applied = await self._client.do(AwaitRun(run=run_of(order), within=SLICE_SECONDS))
            except Unavailable:
                continue
            return msgspec.json.decode(applied.result) if isinstance(applied.result, Raw) else applied.status

    def rate(self) -> float:
        """Orders that ended in a second, lately."""
        now = time.monotonic()
        while self._ends and self._ends[0] < now - RATE_OVER:
            self._ends.popleft()
        return len(self._ends) / RATE_OVER

    def forget(self) -> None:
        self.slowest = 0.0
