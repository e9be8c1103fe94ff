"""Posting: one attempt to bring a webhook to its receiver, by the guarded dialer, signed anew each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from ...eventlog.errors import Invalid
from ...eventlog.streams import parts_of
from ...runtime.perform.delivering import Parcel, Reply
from ..dialer.dialer import Dialer
from ..dialer.rules import Rules
from ..dialer.urls import target_of
from .signatures import Secrets, headers_of

ANSWER_BYTES = 2048
SHOWN = 200
AGENT = "perdure"
OK, REDIRECTS = 200, 300


class Posting:
    """Sends webhooks as the environment says they may be sent; `now` in microseconds since 1970."""

    def __init__(self, dialer: Dialer, secrets: Secrets, now: Callable[[], int]) -> None:
        self._dialer = dialer
        self._secrets = secrets
        self._now = now

    @classmethod
    def of(cls, environment: Mapping[str, str], now: Callable[[], int]) -> Posting:
        return cls(Dialer(Rules.of(environment)), Secrets.of(environment), now)

    def check(self, url: str, tenant: str) -> None:
        self._dialer.must_lead(url, tenant)

    def receiver(self, url: str) -> str:
        try:
            return target_of(url).authority
        except Invalid:
            return ""  # its attempt says what is wrong with it

    async def post(self, parcel: Parcel, within: float) -> Reply:
        _, tenant, id = parts_of(parcel.stream)
        body, secrets = bytes(parcel.body), self._secrets.of_tenant(tenant)
        signed = headers_of(secrets, id, parcel.at // 1_000_000, body, run=parcel.run, workflow=parcel.workflow)
        headers = {"Content-Type": "application/json", "User-Agent": AGENT, **signed}
        answer = await self._dialer.send(
            "POST", parcel.url, within=within, headers=headers, body=body, tenant=tenant, answer_bytes=ANSWER_BYTES
        )
        if OK <= answer.status < REDIRECTS:
            return Reply(answer.status)
        return Reply(answer.status, _said(answer.status, answer.body), self._asks(answer.headers.get("retry-after", "")))

    def _asks(self, text: str) -> int:
        """Microseconds that `Retry-After` asks for, given as seconds or as a date; what cannot be read asks for nothing."""
        if text.isascii() and text.isdecimal():
            return min(int(text[:12]), 10**9) * 1_000_000
        try:
            then = parsedate_to_datetime(text)
        except ValueError:
            return 0
        return max(0, round(then.replace(tzinfo=then.tzinfo or UTC).timestamp() * 1e6) - self._now())


def _said(status: int, body: bytes) -> str:
    """The status and the beginning of the answer, in one line of visible characters."""
    text = body[: 4 * SHOWN].decode("utf-8", "replace")
    plain = " ".join("".join(character if character.isprintable() else " " for character in text).split())[:SHOWN]
    return f"HTTP {status}: {plain}" if plain else f"HTTP {status}"
