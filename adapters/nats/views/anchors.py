"""Anchors: how far the log was, and up to where the views have its heads. Evidence and checkpoint of one partition in one message."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ....eventlog.errors import Corrupt
from ....eventlog.records import Tail
from ..wire.messages import Message

PART, TREE = "ANCHORS", "anchor"
TAILS_MAX = 2000
"""In one anchor; where more streams grew, the rest is in the next."""


class Anchor(Struct, frozen=True, gc=False):
    """`through`: all records of the partition up to this sequence have their heads in the views. `tails`: of streams that grew, in text.

    `reached`: the log had come to this sequence, which is further where heads wait for their time.
    """

    owner: str
    epoch: int
    through: int
    tails: Mapping[str, tuple[int, str]]
    reached: int = 0

    @property
    def until(self) -> int:
        """The log must never end before this sequence."""
        return max(self.through, self.reached)


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Anchor).decode


def anchor_of(owner: str, epoch: int, through: int, tails: Mapping[str, Tail], reached: int = 0) -> Anchor:
    return Anchor(owner, epoch, through, {stream: (tail.version, tail.digest.hex()) for stream, tail in tails.items()}, reached)


def anchor_in(message: Message) -> Anchor:
    try:
        return decode(message.data)
    except msgspec.MsgspecError as error:
        raise Corrupt("an anchor cannot be read", who=message.subject, where=f"sequence {message.sequence}",
                      expected="what perdure wrote there", found=str(error),
                      instead="let nothing but perdure publish there; compare with a backup") from error


def tails_in(anchors: list[Anchor]) -> dict[str, Tail]:
    """The newest tail of each stream that the anchors, in their order, tell of."""
    return {stream: Tail(version, bytes.fromhex(digest)) for anchor in anchors for stream, (version, digest) in anchor.tails.items()}
