"""The type `prompt`: a question to a language model, or to the provider `local`, which is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct, field

from ...eventlog.errors import Invalid, Unavailable
from ...runtime.authoring.retry import Retry
from ...runtime.authoring.steps import current
from ...runtime.definitions.types import StepType
from .literals import wrong_url

OURS = frozenset({"model", "messages", "stream"})
"""Fields of the request that `options` cannot set."""


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """What was said before."""

    role: Literal["system", "user", "assistant"]
    content: str


class PromptConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`url`: of any server that speaks the protocol of OpenAI, without `/chat/completions`. `options` are further fields of the request.

    `context` is put behind the prompt. `seconds` bounds an attempt in all, `silence` the wait for the next piece of the answer.
    The provider `local` is no model: it answers with sentences of the context, always the same, and calls nothing.
    """

    prompt: str
    provider: Literal["openai", "local"] = "openai"
    url: str = "https://api.openai.com/v1"
    model: str = ""
    key: str = ""
    system: str = ""
    context: str = ""
    history: list[Message] = field(default_factory=list[Message])
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    seconds: Annotated[float, Meta(gt=0, le=3600)] = 300.0
    silence: Annotated[float, Meta(gt=0, le=240)] = 120.0


class Prompt(StepType[PromptConfig]):
    """Asks a language model; gives `text`, `model`, `finish_reason` and `usage`, the tokens as the server counted them."""

    name, config = "prompt", PromptConfig
    example: ClassVar[dict[str, Any]] = {
        "model": "gpt-4o-mini", "key": {"secret": "OPENAI_API_KEY"}, "system": "Answer from the context alone.",
        "prompt": "${ inputs.question }", "context": "${ steps.look.output.context }", "options": {"temperature": 0, "max_tokens": 500},
    }  # fmt: skip
    timeout: ClassVar[timedelta | None] = timedelta(hours=1)
    heartbeat: ClassVar[timedelta | None] = timedelta(minutes=5)
    retry: ClassVar[Retry] = Retry(attempts=5, first=timedelta(seconds=2), longest=timedelta(minutes=1), on=(Unavailable,))

    def wrong(self, config: Mapping[str, Any]) -> Iterator[Invalid]:
        yield from wrong_url(config.get("url"))

    def why_not(self, config: Mapping[str, Any]) -> str:
        if config.get("provider", "openai") == "openai" and not config.get("model"):
            return "a prompt to a model names the model: write model: …, or provider: local"
        options: Any = config.get("options")
        taken = sorted(name for name in OURS if isinstance(options, Mapping) and name in options)
        return f"options cannot set {', '.join(taken)}: leave it out" if taken else ""

    async def perform(self, config: PromptConfig) -> dict[str, Any]:
        if config.provider == "local":
            from .local import answer

            return self._told(answer(config.prompt, config.context))
        from .prompting import completed

        return self._told(await completed(config, current()))

    @staticmethod
    def _told(completion: Struct) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(completion)
        return told
