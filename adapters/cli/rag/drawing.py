"""Documents and what was found in them, drawn for people."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...rag.embedding_anew import Embedded
from ...rag.index import CollectionLine, DocumentLine
from ...rag.ingesting import Ingested, Removed
from ...rag.searching import Hit
from ..shared.console import console_for_errors

SKIPPED_SHOWN = 10


@contextmanager
def telling(*, quiet: bool) -> Generator[Callable[[int], None] | None]:
    """How many documents are done, on a terminal, while they are taken in."""
    out = console_for_errors()
    if quiet or not out.is_terminal:
        yield None
        return
    with out.status("reading") as status:
        yield lambda count: status.update(f"{count} documents")


def draw_ingested(out: Console, done: Ingested) -> None:
    counts = {"added": done.added, "changed": done.changed, "as they were": done.same, "removed": done.removed, "left out": done.left_out}
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no documents"
    by = f", with vectors by {done.embedding}" if done.embedding else ""
    out.print(Text.assemble((done.collection, "bold"), f"  {said}; now {done.documents} documents in {done.passages} passages{by}"))
    if done.left_out and not done.added + done.changed + done.same:
        out.print(Text("  nothing was taken in: all of it was left out", style="yellow"))
    for one in done.skipped[:SKIPPED_SHOWN]:
        out.print(Text(f"  left out  {one.source}: {one.why}", style="dim"))
    if done.left_out > SKIPPED_SHOWN:
        out.print(Text(f"  … and {done.left_out - SKIPPED_SHOWN} more", style="dim"))


def draw_collections(out: Console, lines: Sequence[CollectionLine]) -> None:
    rows = [(line.collection, line.documents, line.passages, line.embedding or "-") for line in lines]
    _draw_table(out, ("collection", "documents", "passages", "embedding"), rows)


def draw_documents(out: Console, lines: Sequence[DocumentLine]) -> None:
    rows = [(line.source, line.title, line.passages, line.digest[:12]) for line in lines]
    _draw_table(out, ("source", "title", "passages", "digest"), rows)


def draw_removed(out: Console, done: Removed) -> None:
    out.print(Text.assemble((done.collection, "bold"), f"  {done.removed} documents removed"))


def draw_embedded(out: Console, done: Embedded) -> None:
    by = f"vectors by {done.embedding}" if done.embedding else "no vectors"
    out.print(Text.assemble((done.collection, "bold"), f"  {done.documents} documents in {done.passages} passages have {by}"))


def draw_hits(out: Console, hits: Sequence[Hit]) -> None:
    if not hits:
        out.print(Text("nothing", style="dim"))
    for hit in hits:
        score = f"{hit.score:7.2f}  " if hit.ranking == "words" else f"{hit.score:7.4f}  "
        out.print(Text.assemble((score, "dim"), (hit.title, "bold"), (f"  {hit.source}:{hit.line}", "cyan")))
        out.print(Text(f"         {hit.snippet}"))


def _draw_table(out: Console, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if not rows:
        out.print(Text("none", style="dim"))
        return
    table = Table(box=None, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    out.print(table)
