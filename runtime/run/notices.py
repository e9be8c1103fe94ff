"""Notices: what somebody outside is to be told of a run, said to a delivery actor until that has made it durable."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Raw, Struct

from ...eventlog.blobs import Blob
from ...eventlog.streams import parts_of, stream_of
from ..authoring.errors import Failure
from ..authoring.values import NOTHING

DATA_BYTES_MAX = 64 * 1024
"""Receivers of webhooks take no large bodies; what is larger is for them to fetch."""

RESULT_BYTES_MAX, MESSAGE_CHARACTERS = 32 * 1024, 2000
"""What of a result, and of an error's message, the notice of an end holds."""


AS_DATA = "perdure.definition"
"""The workflow that walks through definitions, as the log calls it, for ever. Its runs say by an attribute which one is theirs."""


class Deliver(Struct, frozen=True, omit_defaults=True):
    """Tell a URL until it is told, or given up. `topic` says what has happened, as in "run.completed", `data` is what there is to say."""

    url: str
    topic: str
    data: Raw
    run: str = ""
    """The id of the run that it is about."""
    workflow: str = ""


class Notice(Struct, frozen=True, omit_defaults=True):
    """How a run ended: kept apart from the run's own facts, since another may begin in its place before this is told."""

    url: str
    status: str
    workflow: str
    ended: int
    result: Raw = NOTHING
    blob: Blob | None = None
    """What holds the result, where it is large."""
    failure: Failure | None = None
    reason: str = ""
    definition: str = ""
    """Of a workflow that is data, its name."""

    def deliver(self, run: str) -> Deliver:
        """What the delivery actor is told."""
        data: dict[str, Any] = {"run": run, "workflow": self.workflow, "status": self.status, "ended": self.ended}
        if self.definition:
            data["definition"] = self.definition
        if self.blob is not None:
            data["large"] = {"digest": self.blob.digest, "size": self.blob.size}
        elif len(self.result) > RESULT_BYTES_MAX:
            data["large"] = {"digest": sha256(self.result).hexdigest(), "size": len(self.result)}
        elif self.status == "completed":
            data["result"] = self.result
        if self.failure is not None:
            data["error"] = {"type": self.failure.type[:200], "message": self.failure.message[:MESSAGE_CHARACTERS]}
        if self.reason:
            data["reason"] = self.reason[:MESSAGE_CHARACTERS]
        return Deliver(self.url, f"run.{self.status}", Raw(msgspec.json.encode(data)), run, self.definition or self.workflow)


def definition_of(workflow: str, attributes: Mapping[str, Raw]) -> str:
    """The name of the definition that a run walks through; empty where it is of a workflow that is code, or has not begun."""
    name: object = msgspec.json.decode(attributes["definition"]) if workflow == AS_DATA and "definition" in attributes else ""
    return name if isinstance(name, str) else ""


def delivery_stream(stream: str, key: str) -> str:
    """The actor that delivers what a run says once under this key: said again it is the same."""
    digest = sha256(f"{len(stream)}:{stream}:{key}".encode()).hexdigest()[:32]
    return stream_of("delivery", parts_of(stream)[1], f"msg-{digest}")
