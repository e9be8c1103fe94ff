"""Documents over HTTP: taken in, listed and removed; and found by the steps of the same service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

import perdure
from perdure.adapters.http.settings import HttpSettings
from perdure.adapters.rag.searching import search
from tests.adapters.http.shop import SECRET, shop

pytestmark = pytest.mark.anyio

DOCUMENTS = "/api/v1/workflows/documents"
BOOK = f"{DOCUMENTS}/handbook"
PAY = {"source": "pay.md", "text": "# Paying\n\nInvoices are paid within 30 days.\n", "format": "markdown"}
SHIP = {"source": "../../ship.py", "text": '"""Ships leave on Mondays."""', "format": "python"}


async def test_documents_are_taken_in_once_listed_and_removed() -> None:
    async with shop() as service:
        author, viewer = await service.caller("author"), await service.caller("viewer")
        assert (await viewer.get(DOCUMENTS)).json() == {"collections": [], "after": None}
        assert (await viewer.get(BOOK)).status_code == 404

        first = await author.post(BOOK, {"documents": [PAY, SHIP]})
        again = await author.post(BOOK, {"documents": [PAY, {**SHIP, "text": '"""Ships leave on Fridays."""'}]})
        page = (await viewer.get(f"{BOOK}?limit=1")).json()
        rest = (await viewer.get(f"{BOOK}?limit=1&after={page['after']}")).json()

        assert (first.status_code, first.json()["added"]) == (200, 2)
        assert [again.json()[name] for name in ("added", "changed", "same", "documents")] == [0, 1, 1, 2]
        assert [one["source"] for one in (*page["documents"], *rest["documents"])] == ["../../ship.py", "pay.md"]
        assert rest["documents"][0]["title"] == "Paying"
        assert rest["after"] is None
        assert (await viewer.get(DOCUMENTS)).json()["collections"] == [
            {"collection": "handbook", "documents": 2, "passages": 2, "embedding": ""},
        ]  # fmt: skip

        gone = await author.client.delete(f"{BOOK}?source=pay.md", headers=author.headers)
        assert gone.json() == {"collection": "handbook", "removed": 1}
        assert (await author.client.delete(f"{BOOK}?source=pay.md", headers=author.headers)).status_code == 404
        assert (await author.client.delete(f"{BOOK}?all=true", headers=author.headers)).json()["removed"] == 1
        assert (await viewer.get(BOOK)).status_code == 404


async def test_a_tenant_sees_and_changes_nothing_of_another() -> None:
    async with shop() as service:
        ours, theirs = await service.caller("author"), await service.caller("author", tenant="other")
        await ours.post(BOOK, {"documents": [PAY]})

        assert (await theirs.get(DOCUMENTS)).json()["collections"] == []
        assert (await theirs.client.delete(f"{BOOK}?all=true", headers=theirs.headers)).status_code == 404
        assert (await theirs.post(BOOK, {"documents": [PAY]})).json()["added"] == 1
        assert (await theirs.client.delete(f"{BOOK}?all=true", headers=theirs.headers)).json()["removed"] == 1
        assert len((await ours.get(BOOK)).json()["documents"]) == 1


async def test_new_collections_get_the_embedding_that_is_meant_here() -> None:
    async with shop(embedding="hashing") as service:
        author = await service.caller("author")
        assert (await author.post(BOOK, {"documents": [PAY]})).json()["embedding"] == "hashing-v1/512"
        place, _ = service.shelf._found()
        assert place is not None
        (hit,) = search(place, "acme", ["handbook"], "payable", limit=1)

    assert (hit.source, hit.ranking) == ("pay.md", "both")


WRONG: list[tuple[str, Any]] = [
    ("a%20b", {"documents": [PAY]}), ("..", {"documents": [PAY]}), ("handbook", {"documents": []}), ("handbook", {}),
    ("handbook", {"documents": [PAY] * 101}),
    ("handbook", {"documents": [{**PAY, "source": ""}]}), ("handbook", {"documents": [{**PAY, "source": "a\nb"}]}),
    ("handbook", {"documents": [{**PAY, "path": "/etc/passwd"}]}),
    ("handbook", {"documents": [{**PAY, "format": "pdf"}]}), ("handbook", {"documents": [PAY], "embedding": "sentence-transformers:/srv"}),
]  # fmt: skip


async def test_what_does_not_fit_is_refused_and_nothing_is_kept() -> None:
    async with shop() as service:
        author = await service.caller("author")
        for collection, body in WRONG:
            found = await author.post(f"{DOCUMENTS}/{collection}", body)
            assert found.status_code in {404, 405, 422}, (collection, body, found.text)
        half = rb'{"documents": [{"source": "\ud800", "text": "half a character"}]}'
        found = await author.client.post(BOOK, content=half, headers=author.headers | {"content-type": "application/json"})
        assert found.status_code == 422
        for query in ("", "?source=", "?all=true&source=a", "?all=maybe"):
            assert (await author.client.delete(f"{BOOK}{query}", headers=author.headers)).status_code == 422, query

        assert (await author.get(DOCUMENTS)).json()["collections"] == []


async def test_what_cannot_be_read_is_left_out_and_named() -> None:
    async with shop() as service:
        author = await service.caller("author")
        broken = {"source": "broken.py", "text": "def (:", "format": "python"}
        told = (await author.post(BOOK, {"documents": [PAY, broken, {**PAY, "source": "zero", "text": "a\0b"}]})).json()

    assert (told["added"], told["left_out"]) == (1, 2)
    assert [one["source"] for one in told["skipped"]] == ["broken.py", "zero"]


async def test_a_body_over_the_limit_is_not_read() -> None:
    async with shop() as service:
        author = await service.caller("author")
        assert (await author.post(BOOK, {"documents": [{**PAY, "text": "x" * (1024 * 1024)}]})).status_code == 413


async def test_without_an_index_the_service_says_so_and_nothing_of_its_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PERDURE_RAG", raising=False)
    (tmp_path / "shop.db-rag").write_bytes(b"no index at all, and long enough to be looked at" * 30)
    for log, said in (("memory:", "set PERDURE_RAG"), (f"sqlite:///{tmp_path}/shop.db", "that is no index of documents")):
        async with perdure.open(log) as runtime:
            app: Any = perdure.asgi(runtime, HttpSettings(single_user=True, key_secret=SECRET))
            transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                found = await client.post(BOOK, json={"documents": [PAY]})

        assert found.status_code == 503
        assert said in found.text
        assert str(tmp_path) not in found.text


async def test_what_was_sent_is_found_by_a_definition(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PERDURE_RAG", raising=False)
    looks = {"id": "look", "type": "rag_search", "config": {"query": "When is an invoice paid?", "collection": "handbook"}}
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db") as runtime:
        app: Any = perdure.asgi(runtime, HttpSettings(single_user=True, key_secret=SECRET))
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            assert (await client.post(BOOK, json={"documents": [PAY, SHIP]})).status_code == 200
        run = await runtime.start_definition({"name": "asks", "steps": [looks]})
        found = await run.result()

    assert found["results"][0]["source"] == "pay.md"
