"""A bank account, the smallest useful actor, and a bank: a dispatcher over a log of accounts that tests can look into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct

from perdure.actors.dispatcher import Dispatcher
from perdure.actors.kind import Kind
from perdure.actors.ports import Ownership, OwnsAll
from perdure.actors.settings import Settings
from perdure.eventlog.codec import Codec, Event
from perdure.eventlog.errors import Conflict, Refused
from perdure.eventlog.log import Carrier, Version
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Record, Tail

PATIENCE = 5.0
EPOCH = 1


class Moved(Event, frozen=True):
    cents: int


class Claimed(Event, frozen=True):
    owner: str
    epoch: int


class Move(Struct, frozen=True):
    """Put in, or, below zero, take out."""

    cents: int


class Look(Struct, frozen=True):
    """The balance, please."""


class Trip(Struct, frozen=True):
    """The kind's own code breaks on this, in `where`."""

    where: str = "decide"


class State:
    """What an account knows of itself."""

    def __init__(self, cents: int = 0) -> None:
        self.cents = cents
        self.owners: list[str] = []
        self.tripped = False


class Accounts(Kind[State, Move | Look | Trip, Event]):
    name = "account"
    codec: Codec[Event] = Codec("account", Moved, Claimed)

    def __init__(self) -> None:
        self.performed: list[tuple[str, int]] = []
        self.lost: list[str] = []
        self.forgotten: list[str] = []

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Move | Look | Trip, now: int) -> Sequence[Event]:
        match command:
            case Move(cents=cents) if state.cents + cents < 0:
                raise Refused("not enough money", expected=f"at most {state.cents}", found=str(-cents))
            case Move(cents=cents):
                return [Moved(cents)]
            case Look():
                return []
            case Trip(where="decide"):
                raise ZeroDivisionError("decide tripped")
            case Trip():
                state.tripped = True
                return [Moved(0)]

    def evolve(self, state: State, event: Event, at: int) -> State:
        if state.tripped:
            raise ZeroDivisionError("evolve tripped")
        if isinstance(event, Moved):
            state.cents += event.cents
        elif isinstance(event, Claimed):
            state.owners.append(f"{event.owner}@{event.epoch}")
        return state

    def answer(self, state: State, command: Move | Look | Trip) -> int:
        return state.cents

    def claim(self, state: State, owner: str, epoch: int) -> Sequence[Event]:
        return [Claimed(owner, epoch)]

    def perform(self, stream: str, state: State) -> None:
        self.performed.append((stream, state.cents))

    def lose(self, stream: str) -> None:
        self.lost.append(stream)

    def forget(self, stream: str, state: State) -> None:
        self.forgotten.append(stream)

    def freeze(self, state: State) -> bytes | None:
        return b'{"cents":%d}' % state.cents

    def thaw(self, stream: str, data: bytes) -> State:
        return State(int(data.removeprefix(b'{"cents":').removesuffix(b"}")))


class WatchedLog(MemoryLog):
    """A memory log that counts its appends and loads, and whose appends wait while its gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        """Of each append: how many streams it wrote."""
        self.loaded: list[dict[str, int]] = []
        self.held = 0
        """Appends that wait at the gate."""
        self.gate = anyio.Event()
        self.gate.set()

    def shut(self) -> None:
        self.gate = anyio.Event()

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self.sizes.append(len(appends))
        self.held += 1
        with anyio.fail_after(PATIENCE):  # the dispatcher shields an append, so only its own end can free a failed test
            await self.gate.wait()
        self.held -= 1
        return await super().append(appends)

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        self.loaded.append(dict(after))
        return await super().load(after)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 1_000_000

    def now(self) -> int:
        return self.time


class Bank:
    """A dispatcher of accounts at work, and everything around it."""

    def __init__(
        self, carrier: Carrier, ownership: Ownership | None = None, settings: Settings | None = None, kind: Accounts | None = None
    ) -> None:
        self.kind = kind or Accounts()
        self.clock = Hands()
        owner = ownership or OwnsAll("bank", EPOCH)
        self.dispatcher = Dispatcher(carrier.log, carrier.snapshots, {"account": self.kind}, self.clock, owner, settings=settings)

    async def ask(self, name: str, command: Move | Look | Trip, within: float = PATIENCE) -> int:
        cents: int = await self.dispatcher.ask(f"account/default/{name}", command, within=within)
        return cents


@asynccontextmanager
async def opened(
    carrier: Carrier | None = None, *, ownership: Ownership | None = None, settings: Settings | None = None, kind: Accounts | None = None
) -> AsyncGenerator[Bank]:
    """A bank whose dispatcher runs."""
    bank = Bank(carrier or MemoryLog().carrier(), ownership, settings, kind)
    async with anyio.create_task_group() as group:
        group.start_soon(bank.dispatcher.run)
        try:
            yield bank
        finally:
            group.cancel_scope.cancel()


async def until(holds: Callable[[], object]) -> None:
    """Let the others go on until a condition holds."""
    with anyio.fail_after(PATIENCE):
        while not holds():
            await checkpoint()
