"""`perdure rag …`: documents taken into an index, listed, removed and searched."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..shared.exits import DONE, FINDINGS
from ..shared.options import Json, Log, Tenant
from ..shared.places import DEFAULT

if TYPE_CHECKING:
    from ...rag.searching import Match, Ranking

commands = typer.Typer(help="The documents that steps of type rag_search look into.", no_args_is_help=True)

Collection = Annotated[str, typer.Option("--collection", metavar="NAME", help="Which documents belong together.")]
Index = Annotated[
    str, typer.Option("--index", envvar="PERDURE_RAG", metavar="PATH", help="The file of the index; without it one beside the log.")
]
Embedding = Annotated[
    str, typer.Option("--embedding", envvar="PERDURE_RAG_EMBEDDING", metavar="NAME[:MODEL]",
                      help="hashing, sentence-transformers:FOLDER, or one of an installed package."),
]  # fmt: skip


@commands.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, and folders with text, Markdown, rst, HTML or Python.")],
    collection: Collection = "default",
    prune: Annotated[bool, typer.Option("--prune", help="Remove what was below these paths, and is gone.")] = False,
    embedding: Embedding = "",
    index: Index = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Take documents in; one that has not changed since is not read again. Of Python, what its docstrings say.

    Exits with 10 where all was left out.
    """
    from ...rag.ingesting import ingest as take_in
    from ..shared.console import answer
    from .drawing import draw_ingested, telling

    with telling(quiet=json) as told:
        done = take_in(_place(index, log), tenant, collection, paths, embedding=embedding, prune=prune, told=told)
    answer(done, draw_ingested, as_json=json)
    taken = done.added + done.changed + done.same
    return DONE if taken or not done.left_out else FINDINGS


@commands.command()
def embed(
    embedding: Annotated[str, typer.Argument(metavar="NAME[:MODEL]", help="As --embedding of 'rag ingest'; none for no vectors.")],
    collection: Collection = "default",
    index: Index = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Give the passages of a collection vectors, in the place of others. Until all are there, searches see those of before."""
    from ...rag.embedding_anew import embed as embed_anew
    from ..shared.console import answer
    from .drawing import draw_embedded, telling

    with telling(quiet=json) as told:
        done = embed_anew(_place(index, log), tenant, collection, embedding, told=told)
    answer(done, draw_embedded, as_json=json)
    return DONE


@commands.command("list")
def list_(
    collection: Annotated[str, typer.Option("--collection", metavar="NAME", help="List its documents, and not all collections.")] = "",
    index: Index = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List the collections of a tenant, or the documents of one."""
    from ...rag.index import collections, documents, reading
    from ..shared.console import answer
    from .drawing import draw_collections, draw_documents

    with reading(_place(index, log)) as db:
        if collection:
            answer(documents(db, tenant, collection), draw_documents, as_json=json)
        else:
            answer(collections(db, tenant), draw_collections, as_json=json)
    return DONE


@commands.command()
def remove(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="As 'perdure rag list' shows them.")] = None,
    collection: Collection = "default",
    all: Annotated[bool, typer.Option("--all", help="The whole collection.")] = False,  # noqa: A002 - the name of the option
    index: Index = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Remove documents by their sources, or a whole collection."""
    from ...rag.ingesting import remove as take_out
    from ..shared.console import answer
    from .drawing import draw_removed

    if bool(sources) == all:
        raise typer.BadParameter("name sources, or --all of the collection", param_hint="SOURCE")
    answer(take_out(_place(index, log), tenant, collection, sources or ()), draw_removed, as_json=json)
    return DONE


@commands.command()
def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Words; no sign among them means anything.")],
    collection: Annotated[list[str] | None, typer.Option("--collection", metavar="NAME", help="Once or more.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="At most so many passages.")] = 5,
    every: Annotated[bool, typer.Option("--every", help="Only passages that have all of the words.")] = False,
    ranking: Annotated[str, typer.Option("--ranking", metavar="words|vectors|both", help="Without it both, where there are vectors.")] = "",
    embedding: Embedding = "",
    index: Index = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Search as a step of type rag_search does."""
    from ...rag.searching import RANKINGS
    from ...rag.searching import search as look
    from ..shared.console import answer
    from .drawing import draw_hits

    match: Match = "all" if every else "any"
    by: Ranking | None = RANKINGS.get(ranking)
    if ranking and by is None:
        raise typer.BadParameter(f"{ranking!r} is no ranking: one of {', '.join(RANKINGS)}", param_hint="--ranking")
    names = collection or ["default"]
    found = look(_place(index, log), tenant, names, query, limit=limit, match=match, ranking=by, embedding=embedding)
    answer(found, draw_hits, as_json=json)
    return DONE


def _place(index: str, log: str) -> Path:
    from ...rag.places import VARIABLE, known, place_of
    from ..shared.places import url_of

    return known(place_of(url_of(log), {VARIABLE: index}), "--index")
