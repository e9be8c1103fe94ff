"""Which embedding is meant: by `NAME` or `NAME:ARGUMENT`, those that perdure brings along and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from threading import Lock
from typing import Any

from ....eventlog.errors import Invalid, NotFound, PerdureError
from .embedding import Vectors

GROUP = "perdure.embeddings"
"""Entry points: each a function of the text behind the colon, empty where there is none, that gives an `Embedding`."""
BROUGHT_ALONG = {"hashing": ".hashing", "sentence-transformers": ".sentences"}
WISH_MAX = 1000

_loading = Lock()


def vectors_by(wish: str) -> Vectors:
    """The embedding that is meant. Each is made once for a process, since a model takes seconds and much memory."""
    with _loading:
        return _made(wish)


@lru_cache(maxsize=8)
def _made(wish: str) -> Vectors:
    name, _, argument = wish.partition(":")
    if len(wish) > WISH_MAX:
        raise Invalid("that names no embedding", who="embedding", where=wish[:80], expected=f"at most {WISH_MAX} characters",
                      found=f"{len(wish)}", instead="write for example hashing")
    make: Callable[[str], Any] = import_module(BROUGHT_ALONG[name], __package__).made if name in BROUGHT_ALONG else _installed(name)
    try:
        return Vectors(make(argument))
    except PerdureError:
        raise
    except Exception as error:
        raise _broken(name, repr(error)) from error


def vectors_named(name: str, wish: str, collection: str) -> Vectors:
    """The embedding that is meant; Invalid where it is another than the one by which the passages of a collection have their vectors."""
    vectors = vectors_by(wish)
    if vectors.name != name:
        raise Invalid("the collection was embedded by another embedding", who=f"collection {collection!r}", where="embedding",
                      expected=name, found=vectors.name,
                      instead=f"ask for that one, or have it embedded anew: perdure rag embed NAME --collection {collection}")
    return vectors


def _installed(name: str) -> Callable[[str], Any]:
    found: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise NotFound("there is no such embedding here", who=f"embedding {name[:80]!r}", where="embedding",
                       expected=", ".join(sorted({*BROUGHT_ALONG, *found})), found=name[:80],
                       instead="install the package that has it, or choose another")
    try:
        loaded: Callable[[str], Any] = found[name].load()
    except Exception as error:
        raise _broken(name, repr(error)) from error
    return loaded


def _broken(name: str, found: str) -> Invalid:
    return Invalid("an embedding cannot be made", who=f"embedding {name[:80]!r}", where=GROUP, found=found[:500],
                   expected="a function of a text that gives a perdure.rag.Embedding", instead="mend or remove the package that names it")
