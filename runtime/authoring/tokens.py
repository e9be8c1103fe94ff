"""Tokens: what a step hands to somebody who is to end it later.

A token names one attempt of one step of one run, and proves that it came from there: its last part can be made only by
who knows the seed of the run.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec
from msgspec import Struct

from ...eventlog.errors import Invalid

LONGEST = 1000
RUN = re.compile(r"run(/[A-Za-z0-9_-]+){2}")


class Token(Struct, frozen=True, array_like=True):
    """A token, read."""

    stream: str
    effect: str
    attempt: int
    proof: str

    def is_of(self, seed: int) -> bool:
        """Whether it was made by the run with this seed."""
        mine = _proof(self.stream, self.effect, self.attempt, seed)
        return sha256(self.proof.encode()).digest() == sha256(mine.encode()).digest()  # how long it takes tells nothing of either


def token_of(stream: str, effect: str, attempt: int, seed: int) -> str:
    token = Token(stream, effect, attempt, _proof(stream, effect, attempt, seed))
    return urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def read_token(text: str) -> Token:
    """The token that a text holds; Invalid where it holds none."""
    try:
        if len(text) > LONGEST:
            raise ValueError("it is too long")
        token = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Token)
        _must_name_a_run(token)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid(
            "this is no token of a step",
            who="token",
            expected="what perdure.current().token was in the step that is to be ended",
            found=f"{text[:40]!r}: {error}",
            instead="hand on the token as it is, without a change",
        ) from error
    return token


def _must_name_a_run(token: Token) -> None:
    if not RUN.fullmatch(token.stream):
        raise ValueError("it names no run")


def _proof(stream: str, effect: str, attempt: int, seed: int) -> str:
    return sha256(f"token/{seed}/{len(stream)}:{stream}/{attempt}/{effect}".encode()).hexdigest()[:32]
