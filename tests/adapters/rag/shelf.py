"""A few documents and an index, for tests."""

from __future__ import annotations

from pathlib import Path

from perdure.adapters.rag.ingesting import Ingested, ingest
from perdure.adapters.rag.searching import Hit, Match, Ranking, search


class Shelf:
    """A folder of documents, and an index beside it."""

    def __init__(self, path: Path) -> None:
        self.place, self.folder = path / "shop.db-rag", path / "docs"
        self.folder.mkdir()
        self.write("apples.md", "# Apples\n\nAn apple is a round fruit. Apples keep for weeks.\n\n# Pears\n\nA pear is none.\n")
        self.write("ships.txt", "Ships carry apples over the sea, and other freight besides: grain, oil and timber.")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def take(self, tenant: str = "default", collection: str = "c", *, prune: bool = False, embedding: str = "") -> Ingested:
        return ingest(self.place, tenant, collection, [str(self.folder)], prune=prune, embedding=embedding)

    def ask(
        self, query: str, *collections: str, tenant: str = "default", limit: int = 5, match: Match = "any", ranking: Ranking | None = None,
        embedding: str = "",
    ) -> list[Hit]:  # fmt: skip
        names = collections or ["c"]
        return search(self.place, tenant, names, query, limit=limit, match=match, ranking=ranking, embedding=embedding)
