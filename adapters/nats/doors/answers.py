"""A Reply as JSON for any client: what `status` says first is whether it happened."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from ....eventlog.blobs import Blob
from ....eventlog.errors import PerdureError, TooLarge
from ....runtime.authoring.errors import Failure
from ....runtime.requests import Answered, AnyReply, Applied, Declined, OpenApproval

STATUS = "Perdure-Status"


class AppliedAnswer(Struct, frozen=True, tag_field="status", tag="applied", omit_defaults=True):
    """It is durable at `version` of the run, which stands as `run_status` says."""

    run: str
    version: int
    run_status: str
    workflow: str
    result: Raw | UnsetType = UNSET
    failure: Failure | None = None
    reason: str = ""
    approvals: list[OpenApproval] = []
    large: Blob | None = None
    """Names the result where it is large: `result` brings it."""
    receipt: str = ""
    """Names the newest record of the run by its digest: `perdure log verify --expect` finds whether the log still holds it."""


class AnsweredAnswer(Struct, frozen=True, tag_field="status", tag="answered", omit_defaults=True):
    """A handler of the run answered at `version`: with its result, or with the failure that it raised."""

    run: str
    version: int
    result: Raw | UnsetType = UNSET
    failure: Failure | None = None


class NotDone(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why not: the parts of the error, and its code."""

    code: str
    message: str
    who: str = ""
    where: str = ""
    expected: str = ""
    found: str = ""
    instead: str = ""


class RefusedAnswer(NotDone, frozen=True, tag_field="status", tag="refused", kw_only=True, omit_defaults=True):
    """Nothing happened, and the same again would be refused again."""


class UnavailableAnswer(NotDone, frozen=True, tag_field="status", tag="unavailable", kw_only=True, omit_defaults=True):
    """Nobody knows whether it happened: ask again with the same Perdure-Command-Id, after `retry_after` seconds."""

    retry_after: float = 1.0


AnyAnswer = AppliedAnswer | AnsweredAnswer | RefusedAnswer | UnavailableAnswer

_encode = msgspec.json.Encoder().encode


def answer_of(reply: AnyReply, *, who: str, bytes_max: int) -> tuple[dict[str, str], bytes]:
    """(headers, body) of the answer; one over `bytes_max` becomes a refusal that says so. `who` is meant where an error names nobody."""
    answer = _answer(reply if not isinstance(reply, Declined) else replace(reply, parts={"who": who} | reply.parts))
    body = _encode(answer)
    if len(body) > bytes_max:
        answer = _not_done(Declined.of(too_large(len(body), bytes_max)))
        body = _encode(answer)
    return {STATUS: str(answer.__struct_config__.tag)}, body


def refusal(error: PerdureError) -> tuple[dict[str, str], bytes]:
    """The same for an error."""
    answer = _not_done(Declined.of(error))
    return {STATUS: str(answer.__struct_config__.tag)}, _encode(answer)


def _answer(reply: AnyReply) -> AnyAnswer:
    match reply:
        case Applied():
            given: tuple[Any, ...] = reply.result, reply.failure, reply.reason, reply.approvals, reply.large
            return AppliedAnswer(reply.run, reply.version, reply.status, reply.workflow, *given)
        case Answered():
            return AnsweredAnswer(reply.run, reply.version, UNSET if reply.failure is not None else reply.result, reply.failure)
        case Declined():
            return _not_done(reply)


def _not_done(reply: Declined) -> RefusedAnswer | UnavailableAnswer:
    parts: dict[str, Any] = {"message": reply.code} | reply.parts
    return (UnavailableAnswer if reply.retryable else RefusedAnswer)(code=reply.code, **parts)


def too_large(size: int, bytes_max: int) -> TooLarge:
    """An answer that the server would not carry."""
    return TooLarge(
        "the answer is larger than this NATS server carries",
        who="the answer",
        expected=f"at most {bytes_max} bytes",
        found=f"{size} bytes",
        instead="raise max_payload of nats-server, or let the workflow keep what is large as an artifact",
    )
