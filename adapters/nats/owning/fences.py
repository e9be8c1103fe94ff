"""Fences: who has which partition. A claim is a compare-and-append, so of many that claim at once exactly one has it.

The epoch of a claim is higher than that of every claim before it. Nothing is kept safe by a fence alone: the records of a
stream carry the epoch, and whoever comes too late there learns it from a Conflict.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from ....eventlog.errors import Corrupt
from ..wire import api
from ..wire.batches import Post, replace_all
from ..wire.messages import Message
from ..wire.store import Store

PART, TREE = "FENCES", "fence"


class Fence(Struct, frozen=True):
    """The newest word on a partition: its owner (nobody where empty), and the sequence of the message that says so."""

    partition: int
    owner: str = ""
    epoch: int = 0
    sequence: int = 0


class Claim(Struct, frozen=True):
    """The message of a fence. `nonce` tells two releases or claims of one owner apart."""

    owner: str
    epoch: int
    nonce: int


class Sitting(Struct, frozen=True):
    """The message of a seat in a view."""

    owner: str
    epoch: int


sitting = msgspec.json.Decoder(Sitting).decode
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Claim).decode


class Fences:
    """The fences of a namespace."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def all(self) -> list[Fence]:
        """The fence of every partition, in order; those that nobody ever claimed have epoch 0."""
        found = [Fence(partition) for partition in range(self.store.subjects.partitions)]
        for message in await self.store.everything(PART, self.store.subjects.tree(TREE)):
            fence = fence_of(message)
            found[fence.partition] = fence
        return found

    async def since(self, sequence: int) -> list[Fence]:
        """What was said of partitions behind a sequence, in its order."""
        found = await self.store.everything(PART, self.store.subjects.tree(TREE), sequence + 1)
        return [fence_of(message) for message in found]

    async def seen_since(self, sequence: int) -> list[Fence]:
        """The same as far as some replica has come."""
        pages = self.store.pages(PART, self.store.subjects.tree(TREE), sequence + 1)
        return [fence_of(message) async for page in pages for message in page]

    async def of(self, partition: int) -> Fence:
        """The fence of one partition, from the leader."""
        message = await self.store.last(PART, self.store.subjects.leaf(TREE, partition))
        return Fence(partition) if message is None else fence_of(message)

    async def claim(self, after: Fence, owner: str, *, epoch: int = 0) -> Fence | None:
        """Take the partition from whoever has it by `after`; None where another took it since.

        The epoch is the next one, or `epoch` if that is higher. No two owners may have one name.
        """
        return (await self.claim_all([after], owner, epoch=epoch))[0]

    async def claim_all(self, after: Sequence[Fence], owner: str, *, epoch: int = 0) -> list[Fence | None]:
        """The same for many partitions at once."""
        floors = await self._floors() if any(not fence.epoch for fence in after) else {}
        return await self._move([(one, owner, max(max(one.epoch, floors.get(one.partition, 0)) + 1, epoch)) for one in after])

    async def _floors(self) -> dict[int, int]:
        """The epochs that the seats of wake-ups tell of: fences that were lost must not make epochs fall."""
        part, seats = "WAKE", f"perdure.{self.store.subjects.namespace}.wake.seat.*"
        info = api.stream_info(await self.store.call(f"STREAM.INFO.{self.store.subjects.bucket_of(part)}", {}))
        if info.error is not None:
            return {}
        return {int(one.subject.rpartition(".")[2]): sitting(one.data).epoch for one in await self.store.everything(part, seats)}

    async def release(self, held: Fence) -> Fence | None:
        """Let go of a claim of one's own, under the same epoch; None where another has it already."""
        return (await self.release_all([held]))[0]

    async def release_all(self, held: Sequence[Fence]) -> list[Fence | None]:
        """The same for many partitions at once."""
        return await self._move([(fence, "", fence.epoch) for fence in held])

    async def _move(self, moves: Sequence[tuple[Fence, str, int]]) -> list[Fence | None]:
        subjects, posts = self.store.subjects, list[Post]()
        for after, owner, epoch in moves:
            subject = subjects.leaf(TREE, after.partition)
            posts.append(Post(after.partition, subject, encode(Claim(owner, epoch, after.sequence)), (subject, after.sequence)))
        sequences = await replace_all(self.store, PART, posts) if posts else []
        return [
            None if sequence is None else Fence(after.partition, owner, epoch, sequence)
            for (after, owner, epoch), sequence in zip(moves, sequences, strict=True)
        ]


def fence_of(message: Message) -> Fence:
    """The fence that a message holds; one that nothing of perdure wrote is Corrupt."""
    try:
        claim, partition = decode(message.data), int(message.subject.rpartition(".")[2])
    except (msgspec.MsgspecError, ValueError) as error:
        raise Corrupt("a fence holds no claim", who=message.subject, where=f"sequence {message.sequence}", expected="owner and epoch",
                      found=f"{message.data[:80]!r}", instead="let nothing but perdure publish there") from error
    return Fence(partition, claim.owner, claim.epoch, message.sequence)
