"""The index: what is taken in, what is found, and who finds it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import perdure
from perdure.adapters.rag import index
from perdure.adapters.rag.index import collections, documents, reading
from perdure.adapters.rag.ingesting import Ingested, ingest, remove
from perdure.adapters.rag.places import place_of
from perdure.adapters.rag.searching import Match
from tests.adapters.rag.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def counts(done: Ingested) -> tuple[int, int, int, int, int]:
    return done.added, done.changed, done.same, done.removed, done.documents


def test_what_is_found_says_where_it_stands(shelf: Shelf) -> None:
    shelf.take()

    best, other = shelf.ask("apple fruit")

    assert (Path(best.source).name, best.title, best.line, best.collection) == ("apples.md", "Apples", 1, "c")
    assert best.text == (shelf.folder / "apples.md").read_text(encoding="utf-8")[best.start : best.end]
    assert "**apple** is a round **fruit**" in best.snippet
    assert (Path(other.source).name, other.title) == ("ships.txt", "ships.txt")
    assert best.score > other.score > 0


def test_documents_are_taken_in_once_and_again_when_they_change(shelf: Shelf) -> None:
    assert counts(shelf.take()) == (2, 0, 0, 0, 2)
    assert counts(shelf.take()) == (0, 0, 2, 0, 2)

    shelf.write("ships.txt", "Ships carry pianos.")

    assert counts(shelf.take()) == (0, 1, 1, 0, 2)
    assert shelf.ask("timber") == []
    assert shelf.ask("piano")


def test_several_may_take_documents_in_at_once(shelf: Shelf) -> None:
    with ThreadPoolExecutor(3) as pool:
        taking = [pool.submit(shelf.take, collection=name) for name in ("c", "c", "d")]
        done = [one.result() for one in taking]

    assert [one.documents for one in done] == [2, 2, 2]
    assert done[0].added + done[0].changed + done[0].same == 2
    assert len(shelf.ask("freight", "c", "d")) == 2


def test_what_is_gone_is_removed_where_that_is_wanted(shelf: Shelf) -> None:
    shelf.take()
    (shelf.folder / "ships.txt").unlink()

    assert counts(shelf.take()) == (0, 0, 1, 0, 2)
    assert counts(shelf.take(prune=True)) == (0, 0, 1, 1, 1)
    assert shelf.ask("freight") == []


def test_documents_are_removed_by_their_sources_all_or_none(shelf: Shelf) -> None:
    shelf.take()
    source = (shelf.folder / "ships.txt").as_posix()

    with pytest.raises(perdure.NotFound, match="no such document"):
        remove(shelf.place, "default", "c", [source, "elsewhere.txt"])
    assert shelf.ask("freight")
    assert remove(shelf.place, "default", "c", [source]).removed == 1
    assert shelf.ask("freight") == []
    with reading(shelf.place) as db:
        assert [Path(line.source).name for line in documents(db, "default", "c")] == ["apples.md"]


def test_a_collection_that_is_removed_leaves_nothing(shelf: Shelf) -> None:
    shelf.take()

    assert remove(shelf.place, "default", "c", []).removed == 2
    with reading(shelf.place) as db:
        assert collections(db, "default") == []
        assert not [name for (name,) in db.execute("select name from sqlite_schema") if name.startswith("passage_")]


def test_collections_and_tenants_are_kept_apart_their_scores_too(shelf: Shelf) -> None:
    shelf.take()
    before = shelf.ask("apples")
    for n in range(20):
        shelf.write(f"{n}.txt", f"apples apples secret {n}")
    shelf.take(tenant="other")
    shelf.take(collection="d")

    assert shelf.ask("apples") == before
    assert shelf.ask("secret") == []
    with pytest.raises(perdure.NotFound, match="no such collection"):
        shelf.ask("apples", "d", tenant="other")
    with pytest.raises(perdure.NotFound) as told:
        shelf.ask("apples", "none", tenant="other")
    assert told.value.expected == "c"


def test_of_several_collections_the_best_of_each_come_first(shelf: Shelf) -> None:
    shelf.take()
    shelf.write("more.txt", "apples, and apples again")
    shelf.take(collection="d")

    assert [hit.collection for hit in shelf.ask("apples", "c", "d", limit=4)] == ["c", "d", "c", "d"]


def test_all_words_may_be_asked_for(shelf: Shelf) -> None:
    shelf.take()

    assert len(shelf.ask("apples sea")) == 2
    assert [Path(hit.source).name for hit in shelf.ask("apples sea", match="all")] == ["ships.txt"]


SIGNS = [
    '" OR title: NEAR(apples)', "apples*", "-apples", "text : apples", "^apples", "apples AND", "\0apples", "{title text}: apples",
    "'apples';--",
]


@pytest.mark.parametrize("query", SIGNS)
def test_no_sign_of_a_query_means_anything(shelf: Shelf, query: str) -> None:
    shelf.take()

    assert {Path(hit.source).name for hit in shelf.ask(query)} == {"apples.md", "ships.txt"}


@given(st.text(st.sampled_from("ab \"'*^():{}-+,;\0\ud800\u0301ß語_") | st.characters(), max_size=20), st.sampled_from(["any", "all"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_is_a_query(shelf: Shelf, query: str, match: Match) -> None:
    if not shelf.place.exists():
        shelf.take()

    assert all(hit.score for hit in shelf.ask(query, match=match))


def test_what_is_no_document_is_left_out_and_told(shelf: Shelf) -> None:
    (shelf.folder / "image.txt").write_bytes(b"\x89PNG\xff\xfe")
    (shelf.folder / "zeros.txt").write_bytes(b"a\0b")
    shelf.write("broken.py", "def (:")
    shelf.write("data.bin", "not of a known format")
    (shelf.folder / ".hidden").mkdir()
    shelf.write(".hidden/secret.md", "# Secret")

    done = shelf.take()

    assert (done.added, done.left_out) == (2, 4)
    assert {Path(one.source).name for one in done.skipped} == {"image.txt", "zeros.txt", "broken.py", "data.bin"}
    assert "none of the known formats" in next(one.why for one in done.skipped if one.source.endswith("data.bin"))


def test_a_link_out_of_the_folder_is_left_out_and_told(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("A secret of the machine.", encoding="utf-8")
    (shelf.folder / "out.txt").symlink_to(tmp_path / "outside.txt")
    (shelf.folder / "within.txt").symlink_to(shelf.folder / "ships.txt")

    done = shelf.take()

    assert (done.added, [(Path(one.source).name, one.why) for one in done.skipped]) == (
        3, [("out.txt", "a link to a file outside of the folder")]
    )  # fmt: skip
    assert shelf.ask("secret") == []
    named = ingest(shelf.place, "default", "c", [str(shelf.folder / "out.txt"), str(shelf.folder)])
    assert (named.added, named.left_out) == (1, 0)  # who names the file itself means it


def test_without_an_index_the_error_says_how_to_make_one(shelf: Shelf) -> None:
    for act in (lambda: shelf.ask("a"), lambda: remove(shelf.place, "default", "c", [])):
        with pytest.raises(perdure.NotFound, match="perdure rag ingest"):
            act()
    assert not shelf.place.exists()


def test_another_database_is_not_touched(shelf: Shelf) -> None:
    with sqlite3.connect(shelf.place) as db:
        db.execute("create table mine (a)")
    db.close()
    for act in (lambda: shelf.ask("a"), shelf.take):
        with pytest.raises(perdure.Invalid, match="no index of documents"):
            act()
    shelf.place.write_bytes(b"something else, and long enough to be looked at" * 20)
    with pytest.raises(perdure.Invalid, match="no index of documents"):
        shelf.ask("a")


def test_an_index_of_another_release_is_refused(shelf: Shelf) -> None:
    shelf.take()
    with sqlite3.connect(shelf.place) as db:
        db.execute("pragma user_version = 99")
    db.close()

    with pytest.raises(perdure.Invalid, match="another release"):
        shelf.ask("a")


def test_a_search_has_a_deadline(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.write("many.txt", "apples and pears " * 20_000)
    shelf.take()
    monkeypatch.setattr(index, "WITHIN", -1.0)
    monkeypatch.setattr(index, "LOOK_EVERY", 10)

    with pytest.raises(perdure.Unavailable, match="away"):
        shelf.ask("apples pears")


def test_who_searches_while_documents_are_taken_in_sees_them_as_they_were_or_are(shelf: Shelf) -> None:
    shelf.take()
    with reading(shelf.place) as db:
        before = documents(db, "default", "c")
        shelf.write("ships.txt", "Ships carry pianos.")
        shelf.take()

        assert documents(db, "default", "c") == before


def test_the_index_stands_beside_the_log_or_where_the_environment_says() -> None:
    assert place_of("sqlite:///shop.db", {}) == Path("shop.db-rag")
    assert place_of("sqlite:////var/lib/shop.db", {}) == Path("/var/lib/shop.db-rag")
    assert place_of("nats://host/shop", {"PERDURE_RAG": "/srv/docs.index"}) == Path("/srv/docs.index")
    assert place_of("nats://host/shop", {}) is place_of("memory:", {}) is None
