"""What a server that speaks the protocol of OpenAI answers to a chat: read piece by piece, or whole. Pure; the calling is elsewhere."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from ...eventlog.errors import Invalid, TooLarge, Unavailable

CHARACTERS_MAX = 4 * 1024 * 1024
SAID_MAX = 300
DONE = "[DONE]"


class Usage(Struct, frozen=True):
    """Tokens, as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class Completion(Struct, frozen=True):
    """What a prompt gave. `usage` is None where the server counts nothing; `finish_reason`: stop, length, content_filter …"""

    text: str
    model: str
    finish_reason: str
    usage: Usage | None
    provider: str
    id: str = ""


class Said(Struct, frozen=True):
    """Text, where there is some."""

    content: str | None = None


class Choice(Struct, frozen=True):
    """One of the answers; only the first is asked for."""

    index: int = 0
    delta: Said = Said()
    message: Said = Said()
    finish_reason: str | None = None


class Chunk(Struct, frozen=True):
    """An event of the stream, or the whole answer: the one has `delta`, the other `message`."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None


class Reading:
    """Gathers the first choice of an answer."""

    def __init__(self, who: str, model: str) -> None:
        self._who = who
        self._model = model
        self._id = ""
        self._pieces: list[str] = []
        self._usage: Usage | None = None
        self.characters = 0
        self.finished = ""
        """Why the answer ended; empty while it goes on."""

    def take(self, data: str | bytes) -> None:
        """One event, or a whole answer. Unavailable where it tells of an error, Invalid where it is none of this protocol."""
        try:
            chunk = msgspec.json.decode(data, type=Chunk)
        except msgspec.MsgspecError as error:
            raise Invalid("the server does not speak the protocol of OpenAI", who=self._who, where="answer", expected="a chat completion",
                          found=f"{error}: {visible(data)}", instead="correct the URL: perdure adds /chat/completions to it") from error
        if chunk.error is not None:
            raise Unavailable("the server broke off its answer", who=self._who, expected="an answer to its end",
                              found=visible(msgspec.json.encode(chunk.error)), instead="ask again later")
        self._id, self._model, self._usage = chunk.id or self._id, chunk.model or self._model, chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.index == 0:
                said = (choice.delta.content or "") + (choice.message.content or "")
                self._pieces.append(said)
                self.characters += len(said)
                self.finished = choice.finish_reason or self.finished
        if self.characters > CHARACTERS_MAX:
            raise TooLarge("the answer of a model is too large", who=self._who, expected=f"at most {CHARACTERS_MAX} characters",
                           found="more", instead="bound it by options.max_tokens")

    def completion(self) -> Completion:
        """The answer; Unavailable where it has not come to its end."""
        if not self.finished:
            raise Unavailable("the answer of a model was cut off", who=self._who, expected="an answer with a finish_reason",
                              found=f"{self.characters} characters, and then the end of the stream", instead="ask again later")
        return Completion("".join(self._pieces), self._model, self.finished, self._usage, "openai", self._id)


def why_declined(body: bytes) -> tuple[str, str]:
    """(code, message) of an error, as far as the server says them."""
    try:
        told: Any = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    except msgspec.MsgspecError:
        return "", visible(body)
    if isinstance(told, dict):
        found: dict[str, Any] = told  # pyright: ignore[reportUnknownVariableType]
        return str(found.get("code") or found.get("type") or ""), visible(str(found.get("message", "")))
    return "", visible(str(told or ""))


def visible(data: str | bytes) -> str:
    """The beginning of a text, in one line."""
    text = data[: 4 * SAID_MAX].decode("utf-8", "replace") if isinstance(data, bytes) else data[: 4 * SAID_MAX]
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:SAID_MAX]
