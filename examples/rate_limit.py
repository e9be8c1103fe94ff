"""A rate limit as an actor: a bucket of tokens that fills with time. All who call share it, and it holds over a restart."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

import perdure
from perdure import Event, Kind, Refused

BURST, EVERY = 3, 250_000
"""Calls at once, and the microseconds in which one more becomes possible."""


class Taken(Event, frozen=True):
    """A token was taken from the bucket."""


class Take(Struct, frozen=True):
    """One token, please."""


class Bucket(Struct, frozen=True):
    """Tokens, and when there were so many."""

    tokens: int = BURST
    filled_at: int = 0

    def at(self, now: int) -> "Bucket":
        more = (now - self.filled_at) // EVERY
        tokens = self.tokens + more
        return Bucket(BURST, now) if tokens >= BURST else Bucket(tokens, self.filled_at + more * EVERY)


class RateLimit(Kind[Bucket, Take, Taken]):
    """One bucket for each thing that is to be spared; the id says which."""

    name = "rate-limit"

    def initial(self, stream: str) -> Bucket:
        return Bucket()

    def decide(self, bucket: Bucket, command: Take, now: int) -> Sequence[Taken]:
        if not bucket.at(now).tokens:
            raise Refused("too many calls", expected=f"{BURST} at once, then one every {EVERY / 1_000_000:g} s")
        return [Taken()]

    def evolve(self, bucket: Bucket, event: Taken, at: int) -> Bucket:
        filled = bucket.at(at)
        return Bucket(filled.tokens - 1, filled.filled_at)


async def main() -> None:
    rate = RateLimit()
    async with perdure.open("memory:", kinds=[rate]) as runtime:
        mail = runtime.actor(rate, "mail-server")
        calls = await asyncio.gather(*(mail.ask(Take()) for _ in range(5)), return_exceptions=True)
        refusals = [call for call in calls if isinstance(call, Refused)]
        print(f"of {len(calls)} calls at once {len(refusals)} were refused: {refusals[0].message} ({refusals[0].expected})")
        await asyncio.sleep(EVERY / 1_000_000)
        await mail.ask(Take())
        print("a moment later one more passes")


if __name__ == "__main__":
    asyncio.run(main())
