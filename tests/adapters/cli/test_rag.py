"""`perdure rag`: documents taken in, listed, searched and removed from the command line."""

from __future__ import annotations

import json

import pytest

from tests.adapters.cli.calling import Here


@pytest.fixture
def shelf(here: Here, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.delenv("PERDURE_RAG", raising=False)
    docs = here.folder.path / "docs"
    docs.mkdir()
    (docs / "pay.md").write_text("# Paying\n\nInvoices are paid within 30 days.\n", encoding="utf-8")
    (docs / "bad.txt").write_bytes(b"\xff\xff")
    return here


def test_where_all_is_left_out_that_is_said(shelf: Here) -> None:
    (shelf.folder.path / "docs" / "pay.md").rename(shelf.folder.path / "docs" / "pay.bin")
    taken = shelf("rag", "ingest", "docs")

    assert (taken.code, "nothing was taken in" in taken.out) == (10, True)
    assert "docs/pay.bin: none of the known formats" in taken.out


def test_documents_are_taken_in_listed_searched_and_removed(shelf: Here) -> None:
    taken = shelf("rag", "ingest", "docs", "--collection", "handbook", "--json")
    again = shelf("rag", "ingest", "docs", "--collection", "handbook")
    found = shelf("rag", "search", "when is an invoice paid?", "--collection", "handbook", "--json")
    shown = shelf("rag", "search", "invoice", "--collection", "handbook")

    assert {name: taken.json[name] for name in ("added", "left_out", "documents", "passages")} == {
        "added": 1, "left_out": 1, "documents": 1, "passages": 1,
    }  # fmt: skip
    assert "1 as they were, 1 left out; now 1 documents" in again.out
    assert "bad.txt: no text in UTF-8" in again.out
    assert (found.json[0]["source"], found.json[0]["title"], found.json[0]["line"]) == ("docs/pay.md", "Paying", 1)
    assert "docs/pay.md:1" in shown.out
    assert (shelf.folder.path / "perdure.db-rag").exists()
    assert "handbook" in shelf("rag", "list").out
    assert "docs/pay.md" in shelf("rag", "list", "--collection", "handbook").out
    assert shelf("rag", "list", "--tenant", "other").out == "none\n"

    assert "1 documents removed" in shelf("rag", "remove", "docs/pay.md", "--collection", "handbook").out
    assert shelf("rag", "search", "invoice", "--collection", "handbook").out == "nothing\n"
    assert shelf("rag", "remove", "--all", "--collection", "handbook", "--json").json == {"collection": "handbook", "removed": 0}
    assert shelf("rag", "list", "--json").json == []


def test_documents_are_embedded_when_they_are_taken_in_or_later(shelf: Here) -> None:
    taken = shelf("rag", "ingest", "docs", "--collection", "a", "--embedding", "hashing", "--json")
    shelf("rag", "ingest", "docs", "--collection", "b")
    later = shelf("rag", "embed", "hashing", "--collection", "b")
    found = [shelf("rag", "search", "payable", "--collection", name, "--json").json for name in ("a", "b")]

    assert taken.json["embedding"] == "hashing-v1/512"
    assert "b  1 documents in 1 passages have vectors by hashing-v1/512" in later.out
    assert found[0][0]["ranking"] == "both"
    assert [{**hit, "collection": ""} for hit in found[0]] == [{**hit, "collection": ""} for hit in found[1]]
    assert shelf("rag", "search", "payable", "--collection", "a", "--ranking", "words", "--json").json == []
    assert "0.0" in shelf("rag", "search", "payable", "--collection", "a", "--ranking", "both").out
    assert "hashing-v1/512" in shelf("rag", "list").out

    assert shelf("rag", "search", "a", "--collection", "a", "--ranking", "meaning").code == 2
    assert "another embedding" in shelf("rag", "ingest", "docs", "--collection", "a", "--embedding", "hashing:64").err
    assert shelf("rag", "embed", "none", "--collection", "a", "--json").json["embedding"] == ""
    assert shelf("rag", "embed", "hashing", "--collection", "none").code == 4


def test_what_is_not_there_is_said(shelf: Here) -> None:
    assert "perdure rag ingest" in shelf("rag", "search", "a").err
    assert shelf("rag", "ingest", "nowhere").code == 4
    assert shelf("rag", "remove").code == 2
    assert shelf("rag", "ingest", "docs", "--collection", "../x").code == 5
    assert "PERDURE_RAG" in shelf("rag", "ingest", "docs", "--log", "memory:").err

    elsewhere = str(shelf.folder.path / "other" / "index")
    assert shelf("rag", "ingest", "docs", "--log", "memory:", "--index", elsewhere, "--json").code == 0
    assert json.loads(shelf("rag", "list", "--index", elsewhere, "--json").out)[0]["collection"] == "default"
