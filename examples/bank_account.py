"""An actor of your own: a bank account that is nothing but its events. It outlives the process, and two customers never meet in it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

import perdure
from perdure import Event, Kind, Refused


class Deposited(Event, frozen=True):
    """Money came in."""

    cents: int


class Withdrawn(Event, frozen=True):
    """Money went out."""

    cents: int


class Move(Struct, frozen=True):
    """Put in, or, below zero, take out; nothing, to see what is there."""

    cents: int = 0


class Account(Kind[int, Move, Deposited | Withdrawn]):
    """The balance, what may happen to it, and what did."""

    name = "account"

    def initial(self, stream: str) -> int:
        return 0

    def decide(self, balance: int, move: Move, now: int) -> Sequence[Deposited | Withdrawn]:
        if balance + move.cents < 0:
            raise Refused("the account does not hold that much", expected=f"at most {balance}", found=str(-move.cents))
        return [Deposited(move.cents)] if move.cents > 0 else [Withdrawn(-move.cents)] if move.cents else []

    def evolve(self, balance: int, event: Deposited | Withdrawn, at: int) -> int:
        return balance + event.cents if isinstance(event, Deposited) else balance - event.cents

    def answer(self, balance: int, move: Move) -> int:
        return balance


async def main() -> None:
    account = Account()
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bank.db'}"
        async with perdure.open(url, kinds=[account]) as runtime:
            ann = runtime.actor(account, "ann")
            await ann.tell(Move(500))
            print("after a deposit and a withdrawal:", await ann.ask(Move(-200)))
            try:
                await ann.ask(Move(-1000))
            except Refused as refusal:
                print(f"refused: {refusal.message} ({refusal.expected})")
        async with perdure.open(url, kinds=[account]) as runtime:
            print("after a restart:", await runtime.actor(account, "ann").ask(Move()))


if __name__ == "__main__":
    asyncio.run(main())
