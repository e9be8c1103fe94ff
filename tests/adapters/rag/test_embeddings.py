"""Embeddings: which one is meant, what is made sure of, and the one that perdure brings along and needs nothing for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import perdure
from perdure.adapters.rag.embeddings import finding, sentences
from perdure.adapters.rag.embeddings.embedding import Vectors
from perdure.adapters.rag.embeddings.finding import vectors_by
from perdure.adapters.rag.embeddings.hashing import Hashing
from perdure.rag import Embedding


class Lengths:
    """An embedding as a package might bring it: a text is its length and its words."""

    name, dimensions = "lengths@1", 2

    def __init__(self, given: Sequence[Sequence[float]] | None = None) -> None:
        self.given = given
        self.asked: list[int] = []

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked.append(len(texts))
        return [[float(len(text)), float(len(text.split()))] for text in texts] if self.given is None else self.given


def named(argument: str) -> Embedding:
    assert argument in {"", "long"}
    return Lengths()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entries = [EntryPoint("lengths", f"{__name__}:named", finding.GROUP), EntryPoint("gone", "nowhere:at_all", finding.GROUP)]

    def found(group: str) -> list[EntryPoint]:
        return entries if group == finding.GROUP else []

    monkeypatch.setattr(finding, "entry_points", found)
    finding._made.cache_clear()
    yield
    finding._made.cache_clear()


@pytest.mark.usefixtures("installed")
def test_an_installed_package_brings_an_embedding() -> None:
    assert vectors_by("lengths").name == "lengths@1"
    assert vectors_by("lengths:long") is vectors_by("lengths:long"), "made once"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("nothing", "there is no such embedding here"), ("gone", "cannot be made"), ("lengths:other", "cannot be made"),
        ("hashing:7", "no such number of dimensions"), ("hashing:x", "no such number of dimensions"), ("x" * 2000, "names no embedding"),
        ("sentence-transformers", "needs a model"),
    ],
)  # fmt: skip
def test_what_is_no_embedding_is_said(wish: str, said: str) -> None:
    with pytest.raises(perdure.PerdureError, match=said):
        vectors_by(wish)


def test_a_model_whose_package_is_not_installed_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(sentences, "import_module", missing)
    with pytest.raises(perdure.Unavailable, match="pip install sentence-transformers"):
        vectors_by(f"sentence-transformers:{tmp_path}")


def test_vectors_have_length_1_and_come_in_batches() -> None:
    lengths = Lengths()
    made = list(Vectors(lengths).of(["a b c"] * 150))

    assert lengths.asked == [64, 64, 22]
    assert [round(math.hypot(*vector), 5) for vector in made] == [1.0] * 150


@pytest.mark.parametrize("given", [[], [[1.0]], [[1.0, 2.0, 3.0]], [[1.0, math.nan]], [[math.inf, 0.0]]])
def test_what_an_embedding_gives_is_looked_at(given: list[list[float]]) -> None:
    with pytest.raises(perdure.Invalid, match="does not keep to what it says"):
        list(Vectors(Lengths(given)).of(["a"]))


def test_hashing_gives_the_same_everywhere() -> None:
    (vector,) = Hashing(64).embed(["Paid invoices"])

    assert [round(number, 4) for number in vector[:8]] == EXPECTED
    assert Hashing(64).embed(["Paid invoices"]) == [vector]


def test_hashing_finds_near_what_is_spelled_alike() -> None:
    asked, *others = (list(vector) for vector in Vectors(Hashing()).of(["invoices", "the invoice", "invoicing", "a ship", ""]))
    cosines = [sum(a * b for a, b in zip(asked, other, strict=True)) for other in others]

    assert min(cosines[:2]) > 0.3 > max(map(abs, cosines[2:]))
    assert cosines[3] == 0


EXPECTED = [0.0, -0.2132, 0.0, 0.3162, 0.2132, -0.3162, 0.2132, 0.0]
