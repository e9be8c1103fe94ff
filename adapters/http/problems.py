"""Problems: an error as `application/problem+json` (RFC 9457), with the parts by which every perdure error teaches."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from ...eventlog.errors import Bug, PerdureError, Unavailable
from ...runtime.definitions.faults import Fault, FaultyDefinition
from .auth.principals import Unauthenticated

MEDIA = "application/problem+json"
RETRY_AFTER = 1

logger = logging.getLogger("perdure.http")


class Problem(Struct, frozen=True, omit_defaults=True):
    """Why not. `code` and the parts are those of the error; `retryable`: asked again it may be done.

    Under the same Idempotency-Key, where the operation takes one.
    """

    type: str
    title: str
    status: int
    code: str
    who: str = ""
    where: str = ""
    expected: str = ""
    found: str = ""
    instead: str = ""
    retryable: bool = False
    errors: tuple[Fault, ...] = ()
    """Of a definition: all that is wrong with it, each with its path and line."""

    def error(self) -> PerdureError:
        """The error that it was made from."""
        parts = {name: getattr(self, name) for name in ("who", "where", "expected", "found", "instead")}
        error = PerdureError.of(self.code, {"message": self.title} | {name: text for name, text in parts.items() if text})
        if isinstance(error, FaultyDefinition):
            error.faults = self.errors
        return error


def problem_of(error: PerdureError, status: int = 0) -> Problem:
    parts = error.parts()
    title = parts.pop("message", error.code)
    faults = tuple(error.faults) if isinstance(error, FaultyDefinition) else ()
    status = status or error.http_status
    return Problem(f"urn:perdure:{error.code}", title, status, error.code, **parts, retryable=error.retryable, errors=faults)


def told(error: PerdureError, status: int = 0) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of the answer that an error is."""
    problem = problem_of(error, status)
    headers = {"content-type": MEDIA, "cache-control": "no-store"}
    headers |= getattr(error, "headers", {})
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER)
    if problem.status == HTTPStatus.REQUEST_TIMEOUT:
        headers["connection"] = "close"  # what still comes is part of it, and no request
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="perdure"'
    return problem.status, headers, msgspec.json.encode(problem)


def of_framework(status: int, detail: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """The same for what never came to an operation: a path that is not served, a method that is not taken."""
    phrase = HTTPStatus(status).phrase
    problem = Problem(f"urn:perdure:http:{status}", phrase.lower(), status, "http", found=detail,
                      instead="look at /api/v1/openapi.json for what is served here")
    return status, {**dict(headers or {}), "content-type": MEDIA}, msgspec.json.encode(problem)


def broken(error: BaseException, where: str) -> PerdureError:
    """A fault of ours, told without its inside; the log of this process has it."""
    logger.error("a request to %s broke", where, exc_info=error)
    return Bug("the service itself failed", who=where, found="a fault that is in the log of its process", instead="report it")


def plain(value: Any) -> bytes:
    return msgspec.json.encode(value)
