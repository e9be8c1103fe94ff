"""A desk: one of the two logs of a move, and who decides there about its runs.

Where nobody serves the log, this process does for a moment, as one that opens it alone. Where workers serve it, it owns nothing:
it reads, it says its word by compare-and-append, and asks them for the rest, as any client does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from msgspec import Struct

from ...actors.dispatcher import Dispatcher
from ...eventlog.errors import NotFound
from ...eventlog.log import Carrier
from ...eventlog.records import Record
from ...eventlog.streams import parts_of, stream_of
from ...runtime import moves
from ...runtime.inspect.replay import fold
from ...runtime.requests import Applied, Commanding, MoveRunIn
from ...runtime.run.performing import Standing
from ...runtime.run.state import RunState
from ...runtime.translating import COMMANDS, applied, stream_for
from ..compose import carrier_of, nats_or_say_so
from ..deciding_by_facts import deciding_by_facts
from ..system.clock import SystemClock, SystemIds
from ..urls import is_in_nats

Do = Callable[[Commanding], Awaitable[Applied]]


class Desk(Struct, frozen=True):
    """`do` brings a request about a run to whoever decides it."""

    carrier: Carrier
    do: Do
    identity: str
    """That of the log."""

    def now(self) -> int:
        return SystemClock().now()

    async def records(self, tenant: str, run: str) -> list[Record]:
        return [record async for record in self.carrier.log.read(stream_of("run", tenant, run))]

    async def facts(self, tenant: str, run: str) -> RunState:
        """What the log says of a run; of one that does not exist nothing, at length 0."""
        return fold(stream_of("run", tenant, run), await self.records(tenant, run))


@asynccontextmanager
async def desk(url: str) -> AsyncGenerator[Desk]:
    """The log at `url`, made if there is none, until the end of the block; what has no name yet is given one."""
    async with AsyncExitStack() as open_:
        carrier, do = await _entered(open_, url)
        yield Desk(carrier, do, await moves.identity(carrier.log, uuid4().hex, SystemClock().now()))


async def _entered(open_: AsyncExitStack, url: str) -> tuple[Carrier, Do]:
    if is_in_nats(url):
        with nats_or_say_so():
            from ..nats.visiting import visited
        if (visit := await open_.enter_async_context(visited(url, now=SystemClock().now, run_id=SystemIds().run_id))) is not None:
            return visit.carrier, visit.client.do
    carrier = await open_.enter_async_context(carrier_of(url))
    return carrier, decided_by(await open_.enter_async_context(deciding_by_facts(carrier)), carrier)


def decided_by(dispatcher: Dispatcher, carrier: Carrier) -> Do:
    """Requests decided here."""

    async def do(request: Commanding) -> Applied:
        if isinstance(request, MoveRunIn):
            await moves.must_be_taken(carrier.log, request)
        stream = stream_for(request)
        standing: Standing = await dispatcher.ask(stream, COMMANDS[type(request)](request), within=request.within)
        return applied(parts_of(stream)[2], standing)

    return do


def no_such_runs(missing: list[str]) -> NotFound:
    return NotFound("there is no such run", who=", ".join(missing), where="run id", expected="ids of runs of this log",
                    found="ids without events", instead="list the runs with 'perdure runs'")
