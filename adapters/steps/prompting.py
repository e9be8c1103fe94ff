"""Prompting a model: one request to a server that speaks the protocol of OpenAI, its answer read as it comes, by the guarded dialer."""

from __future__ import annotations

import os
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from ...eventlog.errors import Unavailable
from ...eventlog.streams import parts_of
from ...runtime.authoring.errors import Fatal
from ...runtime.authoring.steps import Attempt
from ..dialer.dialer import Dialer
from ..dialer.rules import Rules
from ..dialer.urls import target_of
from .completions import DONE, Completion, Reading, why_declined
from .server_sent import ServerSent

if TYPE_CHECKING:
    from ..dialer.exchange import Exchange
    from .prompt import PromptConfig

PATH = "/chat/completions"
OK, DECLINED, BROKEN = 200, 400, 500
LATER = frozenset({408, 409, 425, 429})
"""Beside all from 500 on: what may go well another time."""
NEVER = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""What a server says by 429, and no waiting mends."""
TURNS = 5
"""So often one attempt asks where the server says when to come again."""
PAUSE_MAX = 60.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
ERROR_BYTES_MAX = 64 * 1024


class ComeAgain(Exception):
    """The server says after how many seconds it may be asked again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


async def completed(config: PromptConfig, attempt: Attempt) -> Completion:
    """The answer to a prompt. Unavailable where another attempt may go better; Fatal, Invalid or Refused where it would not.

    Where the server says when to come again, at most a minute from now, the attempt waits for that itself.
    """
    call = Call(config, attempt, anyio.current_time() + config.seconds)
    for turn in range(TURNS):
        try:
            return await call.ask(may_wait=turn + 1 < TURNS)
        except ComeAgain as later:
            if anyio.current_time() + later.seconds > call.end:
                raise call.away(f"told to come again in {later.seconds:g} s") from later
            await anyio.sleep(later.seconds)
    raise call.away("told to come again and again")


class Call:
    """One prompt; `end` is the time by which it must be answered."""

    def __init__(self, config: PromptConfig, attempt: Attempt, end: float) -> None:
        self.config, self.attempt, self.end = config, attempt, end
        self._patience = anyio.CancelScope()
        self._dialer = Dialer(Rules.of(os.environ))
        self._tenant = parts_of(attempt.stream)[1]
        self._url = config.url.rstrip("/") + PATH
        self._who = target_of(self._url).authority
        self._body = msgspec.json.encode(_request(config))
        self._headers = {
            "Content-Type": "application/json", "Accept": "text/event-stream, application/json", "Accept-Encoding": "identity",
            "User-Agent": "perdure", "Idempotency-Key": attempt.idempotency_key,
        }  # fmt: skip
        if config.key:
            self._headers["Authorization"] = f"Bearer {config.key}"

    async def ask(self, *, may_wait: bool) -> Completion:
        """Ask once; ComeAgain where the server says when, and there is time to wait."""
        with anyio.CancelScope() as self._patience:
            return await self._asked(may_wait=may_wait)
        raise self.away("nothing more")

    def _heard(self, characters: int) -> None:
        """Something came: be patient anew, and let the run know how far the answer is."""
        self._patience.deadline = min(self.end, anyio.current_time() + self.config.silence)
        care = self.attempt.performed.care if self.attempt.performed is not None else None
        if care is not None and care.listens:
            self.attempt.heartbeat({"characters": characters})

    async def _asked(self, *, may_wait: bool) -> Completion:
        self._heard(0)
        sending = self._dialer.sending("POST", self._url, headers=self._headers, body=self._body, tenant=self._tenant)
        async with sending as exchange:
            self._heard(0)
            if exchange.status != OK:
                raise await self._declined(exchange, may_wait=may_wait)
            reading = Reading(self._who, self.config.model)
            if exchange.headers.get("content-type", "").startswith("text/event-stream"):
                await self._follow(exchange, reading)
            else:
                body, cut = await exchange.read(ANSWER_BYTES_MAX)
                reading.take(body if not cut else b"")
            return reading.completion()

    async def _follow(self, exchange: Exchange, reading: Reading) -> None:
        """Read events until the last. One whose reason to end is known by then has all its text, whatever becomes of the connection."""
        events = ServerSent()
        try:
            while piece := await exchange.more():
                for data in events.feed(piece):
                    if data == DONE:
                        return
                    reading.take(data)
                self._heard(reading.characters)
        except Unavailable:
            if not reading.finished:
                raise

    async def _declined(self, exchange: Exchange, *, may_wait: bool) -> Exception:
        body, _ = await exchange.read(ERROR_BYTES_MAX)
        code, message = why_declined(body)
        said = f"HTTP {exchange.status}{f' ({code})' if code else ''}{f': {message}' if message else ''}"
        if (exchange.status not in LATER and exchange.status < BROKEN) or code in NEVER:
            return Fatal(f"the server {self._who} declines the prompt: {said}")
        pause = seconds_of(exchange.headers.get("retry-after", ""), exchange.headers.get("date", ""))
        if may_wait and pause is not None and pause <= PAUSE_MAX:
            return ComeAgain(pause)
        return self.away(said)

    def away(self, found: str) -> Unavailable:
        config = self.config
        return Unavailable("a model did not answer", who=self._who, found=found, instead="ask again later",
                           expected=f"an answer within {config.seconds:g} s, and never {config.silence:g} s of silence")


def _request(config: PromptConfig) -> dict[str, Any]:
    """The body: what is null in `options` is left out, of our own fields, too."""
    messages = [{"role": one.role, "content": one.content} for one in config.history]
    messages = [*([{"role": "system", "content": config.system}] if config.system else []), *messages]
    asked = f"{config.prompt}\n\nContext:\n{config.context}" if config.context else config.prompt
    said = {"model": config.model, "messages": [*messages, {"role": "user", "content": asked}], "stream": True}
    given = {"stream_options": {"include_usage": True}, **config.options}
    return {name: value for name, value in given.items() if value is not None} | said


def seconds_of(text: str, date: str) -> float | None:
    """What `Retry-After` asks for, given as seconds or as a time, by the server's own clock; None where it asks for nothing."""
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError):
        return None
