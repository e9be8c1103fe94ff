"""The step `http`: one request to a host that is called only where calls may go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from ...eventlog.errors import Invalid, Refused, Unavailable
from ...eventlog.guard import guard
from ...eventlog.streams import parts_of
from ...runtime.authoring.retry import Retry
from ...runtime.authoring.steps import current, step
from ..dialer.dialer import Dialer
from ..dialer.rules import Rules

ANSWER_BYTES_MAX = 8 * 1024 * 1024
SECONDS_MAX = 600.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class HttpAnswer(Struct, frozen=True, omit_defaults=True):
    """What a server answered. `body` is what its JSON says, where it says that it is JSON; else its text."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None


@step(
    name="perdure.http", timeout=timedelta(seconds=SECONDS_MAX), raises=(Invalid, Refused, Unavailable),
    retry=Retry(attempts=3, first=timedelta(seconds=1), on=(Unavailable,)),
)  # fmt: skip
async def http(
    url: str, method: str = "GET", *, headers: dict[str, str] | None = None, json: Any = None, text: str | None = None,
    seconds: float = 30.0,
) -> HttpAnswer:  # fmt: skip
    """Call a URL, with a body in JSON or as text; whatever its status, what it answers is the result, a redirect too.

    Unavailable, after three attempts, where no answer comes in so many seconds; Refused or Invalid where the URL may not be called.
    A request that changes something carries the step's idempotency key in the header `Idempotency-Key`, the same on all attempts.
    """
    return await request(url, method, headers or {}, json, text, seconds)


async def request(  # noqa: PLR0917 - a request
    url: str, method: str, headers: Mapping[str, str], json: Any, text: str | None, seconds: float
) -> HttpAnswer:
    """The same, inside an attempt of whichever step."""
    attempt = current()
    who = f"step {attempt.step!r}"
    if method not in METHODS or not 0 < seconds <= SECONDS_MAX or (json is not None and text is not None):
        raise Invalid("this request cannot be made", who=who, where="method, seconds, json, text", found=f"{method}, {seconds:g} s",
                      expected=f"one of {', '.join(METHODS)}, within {SECONDS_MAX:g} s, and one body at most", instead="correct the call")
    sent = {name: value for name, value in headers.items() if name.lower() not in ("idempotency-key", "content-type")}
    given = {name.lower(): value for name, value in headers.items()}
    body = b"" if json is None and text is None else msgspec.json.encode(json) if text is None else text.encode()
    if body:
        sent["Content-Type"] = given.get("content-type", "application/json" if text is None else "text/plain; charset=utf-8")
    if method not in ("GET", "HEAD", "OPTIONS"):
        sent["Idempotency-Key"] = given.get("idempotency-key", attempt.idempotency_key)
    dialer, tenant = Dialer(Rules.of(os.environ)), parts_of(attempt.stream)[1]
    answer = await dialer.send(method, url, within=seconds, headers=sent, body=body, tenant=tenant, answer_bytes=ANSWER_BYTES_MAX)
    if answer.cut:
        raise Invalid("the answer of a server is too large", who=who, where=url, expected=f"at most {ANSWER_BYTES_MAX} bytes",
                      found="more", instead="ask for less at once")
    return HttpAnswer(answer.status, dict(answer.headers), _read(answer.headers.get("content-type", ""), answer.body))


def _read(kind: str, body: bytes) -> Any:
    media = kind.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        try:
            return msgspec.json.decode(guard(body, "step 'perdure.http'")) if body else None
        except msgspec.MsgspecError as error:
            raise Invalid("the answer of a server is no JSON", who="step 'perdure.http'", where="body", expected=kind, found=str(error),
                          instead="see what the server answers") from error
    return body.decode("utf-8", "replace")
