"""Vectors of passages: kept with them, made by one embedding at a time, and a second ranking of the same passages."""

from __future__ import annotations

import random
import sqlite3
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.adapters.rag import embedding_anew, keeping
from perdure.adapters.rag.embedding_anew import embed
from perdure.adapters.rag.embeddings.embedding import packed
from perdure.adapters.rag.fusing import fused
from perdure.adapters.rag.index import collections, number_of, reading, vectors_of
from perdure.adapters.rag.ingesting import Given, ingest_given, remove
from perdure.adapters.rag.nearest import by_hand, nearest
from tests.adapters.rag.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def embedded(shelf: Shelf) -> Shelf:
    shelf.take(embedding="hashing")
    return shelf


def names(hits: Sequence[object]) -> list[str]:
    return [Path(getattr(hit, "source", "")).name for hit in hits]


def vectors_in(place: Path, collection: str = "c") -> int:
    with reading(place) as db:
        number = number_of(db, "default", collection)
        (size,) = db.execute(f"select coalesce(sum(length(value)), 0) from {vectors_of(number)}").fetchone()
        (dimensions,) = db.execute("select dimensions from embedding where collection = ?", (number,)).fetchone()
    return int(size) // 4 // int(dimensions)


def test_a_passage_is_found_by_what_is_spelled_like_its_words(embedded: Shelf) -> None:
    assert names(embedded.ask("freightage", ranking="words")) == []
    assert names(embedded.ask("freightage", ranking="vectors"))[0] == "ships.txt"
    assert names(embedded.ask("freightage"))[0] == "ships.txt"


def test_words_alone_are_asked_as_if_there_were_no_vectors(embedded: Shelf) -> None:
    embedded.take(collection="plain")

    by_words = [(hit.source, hit.start, hit.score, hit.snippet) for hit in embedded.ask("apple fruit", ranking="words")]
    assert by_words == [(hit.source, hit.start, hit.score, hit.snippet) for hit in embedded.ask("apple fruit", "plain")]
    assert {hit.ranking for hit in embedded.ask("apple fruit", "plain")} == {"words"}


def test_both_rankings_are_made_one_by_their_places(embedded: Shelf) -> None:
    found = embedded.ask("apple fruit")

    assert {hit.ranking for hit in found} == {"both"}
    assert found[0].score == round(2 / 61, 6), "the first of both"
    assert "**apple**" in found[0].snippet


def test_reciprocal_ranks_are_added() -> None:
    assert fused([[7, 8], [8, 9]]) == [(1 / 62 + 1 / 61, 8), (1 / 61, 7), (1 / 62, 9)]
    assert fused([[], []]) == []


def test_vectors_come_and_go_with_their_documents(embedded: Shelf) -> None:
    with reading(embedded.place) as db:
        before = collections(db, "default")[0].passages
    assert vectors_in(embedded.place) == before == 3

    embedded.write("ships.txt", "Ships carry pianos.\n" * 200)
    done = embedded.take()

    assert (done.changed, done.embedding) == (1, "hashing-v1/512")
    assert vectors_in(embedded.place) == done.passages > 3
    assert names(embedded.ask("pianists", ranking="vectors"))[0] == "ships.txt"
    remove(embedded.place, "default", "c", [(embedded.folder / "ships.txt").as_posix()])
    assert vectors_in(embedded.place) == 2
    remove(embedded.place, "default", "c", [])
    with sqlite3.connect(embedded.place) as db:
        assert not [name for (name,) in db.execute("select name from sqlite_schema") if name.startswith("vector_")]
        assert db.execute("select * from embedding").fetchall() == []
    db.close()


def test_a_collection_has_one_embedding_and_another_is_said_not_mixed(embedded: Shelf) -> None:
    for act in (lambda: embedded.take(embedding="hashing:64"), lambda: embedded.ask("apples", embedding="hashing:64")):
        with pytest.raises(perdure.Invalid, match="another embedding") as told:
            act()
        assert (told.value.expected, told.value.found) == ("hashing-v1/512", "hashing-v1/64")
        assert "perdure rag embed NAME --collection c" in told.value.instead
    assert vectors_in(embedded.place) == 3


def test_documents_without_vectors_are_not_mixed_with_others(shelf: Shelf) -> None:
    shelf.take()

    with pytest.raises(perdure.Invalid, match="no vectors"):
        shelf.take(embedding="hashing")
    for ranking in ("vectors", "both"):
        with pytest.raises(perdure.Invalid, match="no vectors"):
            shelf.ask("apples", ranking=ranking)
    assert shelf.ask("apples") == shelf.ask("apples", ranking="words")


def test_a_collection_is_embedded_later_and_anew_and_no_more(shelf: Shelf) -> None:
    shelf.take()

    assert embed(shelf.place, "default", "c", "hashing").embedding == "hashing-v1/512"
    assert names(shelf.ask("freightage"))[0] == "ships.txt"
    anew = embed(shelf.place, "default", "c", "hashing:64")
    assert (anew.embedding, anew.documents, anew.passages) == ("hashing-v1/64", 2, 3)
    assert vectors_in(shelf.place) == 3
    assert shelf.take().embedding == "hashing-v1/64"
    assert embed(shelf.place, "default", "c", "none").embedding == ""
    assert shelf.ask("freightage") == []


def test_embedding_goes_on_where_it_was_ended_and_searches_see_what_was_before(embedded: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    before = embedded.ask("freightage")
    done: list[int] = []

    def ended(count: int) -> None:
        done.append(count)
        raise KeyboardInterrupt

    monkeypatch.setattr(embedding_anew, "AT_ONCE", 1)
    with pytest.raises(KeyboardInterrupt):
        embed(embedded.place, "default", "c", "hashing:64", told=ended)
    assert embedded.ask("freightage") == before

    assert embed(embedded.place, "default", "c", "hashing:64", told=done.append).embedding == "hashing-v1/64"
    assert done == [1, 1], "one document each time"
    assert vectors_in(embedded.place) == 3


def test_what_is_ingested_while_a_collection_is_embedded_has_vectors_too(embedded: Shelf) -> None:
    def meanwhile(count: int) -> None:
        if count == 1:
            embedded.write("apples.md", "# Plums\n\nPlums are blue.")
            embedded.write("late.md", "# Pianos\n\nA piano has 88 keys.")
            assert embedded.take().embedding == "hashing-v1/512"

    embed(embedded.place, "default", "c", "hashing:1024", told=meanwhile)

    assert vectors_in(embedded.place) == 3
    assert names(embedded.ask("pianists", ranking="vectors"))[0] == "late.md"
    assert {hit.title for hit in embedded.ask("plums and pianos and ships", ranking="vectors")} <= {"Plums", "Pianos", "ships.txt"}


def test_two_who_embed_alike_do_it_together_and_otherwise_one_is_told(embedded: Shelf) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(embed, embedded.place, "default", "c", "hashing:64") for _ in range(2)]
        assert {one.result().embedding for one in both} == {"hashing-v1/64"}
    assert vectors_in(embedded.place) == 3

    def meanwhile(count: int) -> None:
        if count == 1:
            embed(embedded.place, "default", "c", "hashing:128")

    with pytest.raises(perdure.Conflict, match="another embedding"):
        embed(embedded.place, "default", "c", "hashing:256", told=meanwhile)
    assert embedded.take().embedding == "hashing-v1/128"


def test_who_ingests_while_the_embedding_changes_is_told(embedded: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.write("ships.txt", "Ships carry pianos.")
    put = keeping.put

    def late(*given: Any) -> bool:
        embed(embedded.place, "default", "c", "hashing:64")
        return put(*given)

    monkeypatch.setattr("perdure.adapters.rag.ingesting.put", late)
    with pytest.raises(perdure.Conflict, match="another embedding by now"):
        embedded.take()
    monkeypatch.undo()
    assert embedded.take().changed == 1


def test_all_words_and_vectors_do_not_go_together(embedded: Shelf) -> None:
    assert names(embedded.ask("apples sea", match="all")) == ["ships.txt"]
    with pytest.raises(perdure.Invalid, match="by words alone"):
        embedded.ask("apples sea", match="all", ranking="both")


def test_a_query_without_a_word_finds_nothing_by_vectors_either(embedded: Shelf) -> None:
    assert embedded.ask("?!", ranking="vectors") == embedded.ask("", ranking="both") == embedded.ask("  ") == []


def test_of_several_collections_each_is_asked_by_its_own_embedding(embedded: Shelf) -> None:
    embedded.take(collection="d", embedding="hashing:64")
    embedded.take(collection="e")

    assert [(hit.collection, hit.ranking) for hit in embedded.ask("apples", "c", "d", "e", limit=3)] == [
        ("c", "both"), ("d", "both"), ("e", "words"),
    ]  # fmt: skip


def test_documents_that_are_handed_over_are_read_as_files_are_and_no_file_is_looked_for(shelf: Shelf) -> None:
    given = [
        Given("../../etc/passwd", b"# Pears\n\nA pear is none.", ".md"),
        Given(f"{shelf.folder}/module.py", b'"""Modules of ships."""', ".py"),
        Given("broken.py", b"def (:", ".py"), Given("bytes", b"\xff", ".txt"),
    ]  # fmt: skip
    done = ingest_given(shelf.place, "default", "c", given, embedding="hashing")

    assert (done.added, done.left_out, done.embedding) == (2, 2, "hashing-v1/512")
    assert {hit.title for hit in shelf.ask("pears ships")} == {"Pears", "module"}
    assert ingest_given(shelf.place, "default", "c", given).same == 2


def test_the_nearest_are_those_of_all(tmp_path: Path) -> None:
    """By hand; the claim rag-vectors holds numpy against it."""
    chance = random.Random(7)
    vectors = [array("f", [chance.gauss(0, 0.3) for _ in range(16)]) for _ in range(500)]
    query = array("f", [chance.gauss(0, 0.3) * (place % 3 > 0) for place in range(16)])
    with sqlite3.connect(tmp_path / "v") as db:
        db.execute(f"create table {vectors_of(1)} (passage integer primary key, value blob not null)")
        for first in range(0, 500, 5):
            db.execute(f"insert into {vectors_of(1)} values (?, ?)", (first * 10, b"".join(map(packed, vectors[first : first + 5]))))
        found = nearest(db, 1, query, 9, by_hand)
    db.close()

    scored = [(sum(a * b for a, b in zip(query, vector, strict=True)), place) for place, vector in enumerate(vectors)]
    expected = sorted(scored, reverse=True)[:9]
    assert [passage for _, passage in found] == [place // 5 * 50 + place % 5 for _, place in expected]
    assert [score for score, _ in found] == pytest.approx([score for score, _ in expected], abs=1e-6)
