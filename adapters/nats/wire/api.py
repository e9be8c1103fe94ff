"""The words of JetStream's API that the log speaks, typed."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

MILLISECOND = 1_000_000
"""Durations are nanoseconds."""

WRONG_LAST_SEQUENCE = 10071
IN_FLIGHT = 10164
MESSAGE_TOO_LARGE = 10054
STREAM_NOT_FOUND = 10059
STREAM_EXISTS = 10058
CONSUMER_EXISTS = 10148
BATCH_INCOMPLETE, BATCHES_TOO_MANY, BATCHES_TOO_MANY_OF_SERVER = 10176, 10210, 10211
PASSING = frozenset({IN_FLIGHT, BATCH_INCOMPLETE, BATCHES_TOO_MANY, BATCHES_TOO_MANY_OF_SERVER})
"""Errors after which the same message may be stored a little later."""
NO_JETSTREAM, NO_JETSTREAM_FOR_ACCOUNT = 10076, 10039

STATUS, DESCRIPTION = "Status", "Description"
ENDS_WELL = ("MaxBytes", "Batch Completed")
"""How a pull's end is described where the next may follow."""
HEARTBEAT, END_OF_BATCH, NOT_FOUND, PULL_EXPIRED, PULL_ENDED, NO_RESPONDERS = "100", "204", "404", "408", "409", "503"


class ApiError(Struct, frozen=True):
    """What the server says went wrong."""

    code: int
    err_code: int = 0
    description: str = ""

    @property
    def is_passing(self) -> bool:
        """Whether it passes by itself: no leader, not ready. A stream that is full says the same code, and stays full."""
        return self.code == int(NO_RESPONDERS) and "maximum" not in self.description

    def __str__(self) -> str:
        return f"{self.description} ({self.err_code or self.code})"


class Ack(Struct, frozen=True):
    """The answer to a publish."""

    seq: int = 0
    duplicate: bool = False
    error: ApiError | None = None


class Stored(Struct, frozen=True):
    """A message as the leader hands it out; headers and data travel as base64."""

    subject: str
    seq: int
    hdrs: bytes = b""
    data: bytes = b""


class Got(Struct, frozen=True):
    """The answer to a question for one message."""

    message: Stored | None = None
    error: ApiError | None = None


class State(Struct, frozen=True):
    """What a stream holds."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    num_subjects: int = 0


class Cluster(Struct, frozen=True):
    """Who leads a stream; nothing where the server stands alone."""

    leader: str = ""


class StreamInfo(Struct, frozen=True):
    """The answer to a question for a stream, or to its creation."""

    config: dict[str, Any] = {}
    state: State = State()
    cluster: Cluster = Cluster()
    error: ApiError | None = None


class ConsumerInfo(Struct, frozen=True):
    """How a consumer stands: what it has not handed out yet, and what is in hand."""

    name: str = ""
    config: dict[str, Any] = {}
    num_pending: int = 0
    num_ack_pending: int = 0
    error: ApiError | None = None


class Consumers(Struct, frozen=True):
    """A page of the consumers of a stream."""

    total: int = 0
    consumers: list[ConsumerInfo] = []
    error: ApiError | None = None


class Done(Struct, frozen=True):
    """An answer of which only the error matters."""

    error: ApiError | None = None


encode = msgspec.json.Encoder().encode
ack = msgspec.json.Decoder(Ack).decode
got = msgspec.json.Decoder(Got).decode
stream_info = msgspec.json.Decoder(StreamInfo).decode
done = msgspec.json.Decoder(Done).decode
consumers = msgspec.json.Decoder(Consumers).decode
consumer_info = msgspec.json.Decoder(ConsumerInfo).decode


def ordered_consumer(bucket: str, name: str, start: int, forgotten_after_ms: int) -> dict[str, Any]:
    """A consumer in the server's memory that acknowledges nothing: whoever misses a message makes a new one."""
    return {
        "stream_name": bucket,
        "action": "create",
        "config": {
            "name": name, "deliver_policy": "by_start_sequence", "opt_start_seq": start, "ack_policy": "none", "replay_policy": "instant",
            "mem_storage": True, "num_replicas": 1, "inactive_threshold": forgotten_after_ms * MILLISECOND,
        },
    }
