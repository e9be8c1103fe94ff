"""Documents over HTTP: taken into the index that steps of type rag_search look into here, listed, and removed, each tenant's apart.

What they say comes in the body, and their sources are names: no path from the outside is ever used, and none of this machine is told.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ...eventlog.errors import Invalid
from ..rag.ingesting import Given, Ingested, Removed
from .operations import Answer, Call, Operation
from .runs import ROOT
from .shelf import CollectionPage, DocumentPage

DOCUMENTS = f"{ROOT}/documents"
COLLECTION = f"{DOCUMENTS}/{{collection}}"

AT_ONCE = 100
"""Documents in one request."""
SOURCE_MAX = 500
PAGE_MAX = 1000

SAFE = "send it again: what is so already is left as it is"

Format = Literal["text", "markdown", "rst", "html", "python"]
SUFFIXES: dict[Format, str] = {"text": ".txt", "markdown": ".md", "rst": ".rst", "html": ".html", "python": ".py"}


class DocumentBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`source`: the name by which it is known, in the place of the one that has it. `format`: how its text is read."""

    source: Annotated[str, Meta(min_length=1, max_length=SOURCE_MAX)]
    text: str
    format: Format = "text"


class DocumentsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Documents to take in; one that is there and has not changed is left as it is."""

    documents: Annotated[list[DocumentBody], Meta(min_length=1, max_length=AT_ONCE)]


class PageParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: the `after` of the page before."""

    after: str = ""
    limit: int = 100


class RemoveParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`source`: of the document to remove; or `all` of the collection."""

    source: str = ""
    all: bool = False


async def listed(call: Call) -> Answer:
    params: PageParams = call.params
    return Answer(await call.shelf.collections(call.tenant, params.after, _limit(params)))


async def shown(call: Call) -> Answer:
    params: PageParams = call.params
    return Answer(await call.shelf.documents(call.tenant, call.parts["collection"], params.after, _limit(params)))


async def ingest(call: Call) -> Answer:
    body: DocumentsBody = call.given()
    given = [Given(_source(one.source), one.text.encode(errors="surrogatepass"), SUFFIXES[one.format]) for one in body.documents]
    return Answer(await call.shelf.take(call.tenant, call.parts["collection"], given))


async def removed(call: Call) -> Answer:
    params: RemoveParams = call.params
    if bool(params.source) == params.all:
        raise Invalid("that says not what to remove", who="the query", where="source", expected="source=NAME, or all=true",
                      found="both" if params.all else "neither", instead="name a document, or all of the collection")
    return Answer(await call.shelf.remove(call.tenant, call.parts["collection"], [params.source] if params.source else []))


def _limit(params: PageParams) -> int:
    return max(1, min(params.limit, PAGE_MAX))


def _source(source: str) -> str:
    if not source.isprintable():
        raise Invalid("a source is a name", who="the body", where="$.documents[...].source", found=ascii(source)[:100],
                      expected="characters that can be printed", instead="leave the others out")
    return source


OPERATIONS = (
    Operation(name="documents.collections", method="GET", path=DOCUMENTS, perform=listed, params=PageParams,
              answers={200: CollectionPage}, summary="List the collections of documents of the tenant, and by what they have vectors"),
    Operation(name="documents.list", method="GET", path=COLLECTION, perform=shown, params=PageParams, answers={200: DocumentPage},
              summary="List the documents of a collection by their sources"),
    Operation(name="documents.ingest", method="POST", path=COLLECTION, perform=ingest, body=DocumentsBody, answers={200: Ingested},
              unnamed=SAFE,
              summary="Take documents into a collection, which is made where there is none; what has not changed is left as it is"),
    Operation(name="documents.remove", method="DELETE", path=COLLECTION, perform=removed, params=RemoveParams, answers={200: Removed},
              unnamed=SAFE,
              summary="Remove a document by its source, or a whole collection"),
)  # fmt: skip
