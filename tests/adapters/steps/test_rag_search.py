"""The type `rag_search` in a definition, over documents beside the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import perdure
from perdure.adapters.rag.embedding_anew import embed
from perdure.adapters.rag.ingesting import ingest
from perdure.adapters.steps.searching import context_of

ASKS: dict[str, Any] = {
    "name": "asks", "inputs": {"question": {"type": "string"}},
    "steps": [{"id": "look", "type": "rag_search", "config": {"query": "${ inputs.question }", "collection": "handbook", "limit": 2}}],
}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PERDURE_RAG", raising=False)
    (tmp_path / "pay.md").write_text("# Paying\n\nInvoices are paid within 30 days.\n", encoding="utf-8")
    (tmp_path / "ship.md").write_text("# Shipping\n\nOrders with unpaid invoices wait.\n", encoding="utf-8")
    ingest(tmp_path / "shop.db-rag", "default", "handbook", [str(tmp_path)])
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.mark.anyio
async def test_passages_are_found_beside_the_log_and_told_as_one_text(log: str) -> None:
    async with perdure.open(log) as runtime:
        run = await runtime.start_definition(ASKS, {"question": "Within how many days is an invoice paid?"})
        found = await run.result()

    best, other = found["results"]
    assert (best["title"], other["title"]) == ("Paying", "Shipping")
    assert set(best) == {"source", "title", "score", "snippet", "text", "start", "end", "line", "collection", "ranking"}
    assert found["context"].startswith(f"[1] Paying ({best['source']})\n# Paying\n\nInvoices are paid within 30 days.\n\n[2] Shipping")


@pytest.mark.anyio
async def test_documents_that_were_embedded_are_found_by_more_than_their_words(log: str, tmp_path: Path) -> None:
    async with perdure.open(log) as runtime:
        asked = {"question": "Shippable?"}
        before = await (await runtime.start_definition(ASKS, asked)).result()
        embed(tmp_path / "shop.db-rag", "default", "handbook", "hashing")
        found = await (await runtime.start_definition(ASKS, asked)).result()
        words = {**ASKS, "steps": [{**ASKS["steps"][0], "config": {**ASKS["steps"][0]["config"], "ranking": "words"}}]}
        by_words = await (await runtime.start_definition(words, asked)).result()

    assert before["results"] == by_words["results"] == []
    assert (found["results"][0]["title"], found["results"][0]["ranking"]) == ("Shipping", "both")


@pytest.mark.anyio
async def test_another_embedding_than_the_one_meant_here_fails_the_run(log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed(tmp_path / "shop.db-rag", "default", "handbook", "hashing")
    monkeypatch.setenv("PERDURE_RAG_EMBEDDING", "hashing:64")

    async with perdure.open(log) as runtime:
        with pytest.raises(perdure.RunError, match="another embedding"):
            await (await runtime.start_definition(ASKS, {"question": "invoice"})).result()


@pytest.mark.anyio
async def test_a_tenant_finds_nothing_of_another(log: str) -> None:
    async with perdure.open(log) as runtime:
        run = await runtime.start_definition(ASKS, {"question": "invoice"}, tenant="other")
        with pytest.raises(perdure.RunError, match="there is no such collection"):
            await run.result()


@pytest.mark.anyio
async def test_where_there_is_no_index_the_run_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PERDURE_RAG", raising=False)
    for log, instead in (("memory:", "set PERDURE_RAG"), (f"sqlite:///{tmp_path}/other.db", "perdure rag ingest")):
        async with perdure.open(log) as runtime:
            with pytest.raises(perdure.RunError) as error:
                await (await runtime.start_definition(ASKS, {"question": "a"})).result()
        assert error.value.failure is not None
        assert instead.encode() in msgspec.json.encode(error.value.failure)


@pytest.mark.anyio
async def test_what_does_not_fit_is_refused_when_it_is_applied() -> None:
    none: list[str] = []
    faulty: list[dict[str, Any]] = [
        {"limit": 51, "query": "a"}, {"query": "a", "collection": none}, {"collection": "c"}, {"query": "a", "x": 1},
        {"query": "a", "ranking": "meaning"}, {"query": "a", "ranking": "both", "match": "all"},
    ]  # fmt: skip
    async with perdure.open("memory:") as runtime:
        for wrong in faulty:
            with pytest.raises(perdure.Invalid):
                await runtime.apply_definition({"name": "a", "steps": [{"id": "a", "type": "rag_search", "config": wrong}]})


def test_a_context_ends_with_the_last_passage_that_fits() -> None:
    passages = [("T", "s", "x" * 10), ("U", "t", "y" * 10)]

    assert context_of(passages, 100) == "[1] T (s)\nxxxxxxxxxx\n\n[2] U (t)\nyyyyyyyyyy"
    assert context_of(passages, 41) == "[1] T (s)\nxxxxxxxxxx"
    assert context_of(passages, 5) == ""
