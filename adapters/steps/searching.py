"""The type `rag_search`: passages of documents that were ingested, the best first: by their words, their vectors, or both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from ...eventlog.errors import Unavailable
from ...eventlog.streams import parts_of
from ...runtime.authoring.retry import Retry
from ...runtime.authoring.steps import current
from ...runtime.definitions.types import StepType

CHARACTERS = 6000


class RagSearchConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`collection`: one, or several, of whose passages the best of each stand first. `match`: whether one word is enough.

    `ranking`: by BM25 over words, by the cosines of vectors, or by both made one; without it by both where the documents were embedded,
    and by words where not. `characters` bounds `context`, the passages as one text for a prompt.
    """

    query: str
    collection: str | Annotated[list[str], Meta(min_length=1, max_length=16)] = "default"
    limit: Annotated[int, Meta(ge=1, le=50)] = 5
    match: Literal["any", "all"] = "any"
    ranking: Literal["words", "vectors", "both"] | None = None
    characters: Annotated[int, Meta(ge=0, le=100_000)] = CHARACTERS


class RagSearch(StepType[RagSearchConfig]):
    """Searches ingested documents; gives `results` (score, source, title, snippet, text, offsets) and their `context` as one text."""

    name, config = "rag_search", RagSearchConfig
    example: ClassVar[dict[str, Any]] = {"query": "${ inputs.question }", "collection": "handbook", "limit": 5}
    timeout: ClassVar[timedelta | None] = timedelta(minutes=1)
    retry: ClassVar[Retry] = Retry(attempts=5, first=timedelta(seconds=1), on=(Unavailable,))

    def __init__(self, place: Path | None = None, embedding: str = "") -> None:
        self.place, self.embedding = place, embedding
        """The file of the index, None where none is known; and the embedding that is meant here, empty for each collection's own."""

    def why_not(self, config: Mapping[str, Any]) -> str:
        ranking = config.get("ranking")
        wrong = config.get("match") == "all" and ranking in {"vectors", "both"}
        return f"all words can be asked for by words alone: leave 'match: all' out, or 'ranking: {ranking}'" if wrong else ""

    async def perform(self, config: RagSearchConfig) -> dict[str, Any]:
        import anyio.to_thread

        from ..rag.places import known
        from ..rag.searching import search

        attempt = current()
        place = known(self.place, f"step {attempt.step!r}")
        names = [config.collection] if isinstance(config.collection, str) else config.collection
        look = partial(
            search, place, parts_of(attempt.stream)[1], names, config.query, limit=config.limit, match=config.match, ranking=config.ranking,
            embedding=self.embedding,
        )  # fmt: skip
        hits = await anyio.to_thread.run_sync(look)  # where a model is loaded and asked, too
        results: list[dict[str, Any]] = msgspec.to_builtins(hits)
        return {"results": results, "context": context_of([(hit.title, hit.source, hit.text) for hit in hits], config.characters)}


def context_of(passages: list[tuple[str, str, str]], at_most: int) -> str:
    """Passages (title, source, text) as one text: each numbered and below what it is from. Those that would not fit are left out."""
    said: list[str] = []
    for number, (title, source, text) in enumerate(passages, 1):
        piece = f"[{number}] {title} ({source})\n{text.strip()}"
        if sum(map(len, said)) + 2 * len(said) + len(piece) > at_most:
            break
        said.append(piece)
    return "\n\n".join(said)
