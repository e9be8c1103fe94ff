"""Where the index stands: in a file that `PERDURE_RAG` names, or beside an embedded log. And which embedding is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...eventlog.errors import Invalid
from ..urls import file_of

VARIABLE = "PERDURE_RAG"
EMBEDDING = "PERDURE_RAG_EMBEDDING"


def place_of(log: str, environment: Mapping[str, str]) -> Path | None:
    """The file of the index for a log; None where the log is no file, and the environment names none."""
    named = environment.get(VARIABLE, "")
    if named:
        return Path(named).expanduser()
    file = file_of(log)
    return Path(f"{file}-rag").expanduser() if file else None


def embedding_in(environment: Mapping[str, str]) -> str:
    """The embedding by which new collections get vectors here, and others must have theirs; empty for each collection's own."""
    return environment.get(EMBEDDING, "")


def known(place: Path | None, who: str) -> Path:
    """The place; Invalid where there is none."""
    if place is None:
        raise Invalid("nobody said where the index of documents is", who=who, where=VARIABLE, expected="the path of a file",
                      found="a log that is no file, beside which it could stand", instead=f"set {VARIABLE} where the step is performed")
    return place
