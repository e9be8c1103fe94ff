"""Secrets in every place of every type's config: refused when the definition is checked, or in no byte of the log after the run."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

import perdure
from perdure.adapters.compose import types_of
from perdure.adapters.rag.ingesting import ingest
from perdure.runtime.definitions.checking import check
from perdure.runtime.definitions.plain import is_list, is_map
from perdure.runtime.definitions.secrecy import Cover, places_in
from tests.adapters.webhooks.receiver import Receiver
from tests.conftest import LOOPS, Loop
from tests.runtime.definitions.describing import charge

SECRET = "sesame/open it's \"mine\""  # noqa: S105 - a made-up one
NAMED = {"secret": "TOKEN"}
BOUND = timedelta(seconds=30)
SAY: list[Any] = [{"id": "say", "type": "log", "config": {"message": "hello"}}]


@pytest.fixture
def anyio_backend() -> Loop:
    """One loop is enough here: how runs are driven is held on all of them elsewhere."""
    return LOOPS["asyncio"]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_SECRET_TOKEN", SECRET)


def whole(url: str) -> dict[str, dict[str, Any]]:
    """A config of each type with all its fields, some of them with parts."""
    policy = {"users": ["Ada"], "roles": ["clerk"], "quorum": 1, "starter_may": True, "at_end": "expire",
              "escalation": [{"after": "1ms", "users": ["Bob"], "roles": ["owner"]}]}  # fmt: skip
    approval = {"name": "ship", "show": {"a": 1, "b": [2]}, "required": False, "policy": policy}
    return {
        "log": {"message": "hello", "level": "info", "fields": {"a": {"b": 1}}},
        "transform": {"value": {"a": [1]}},
        "set": {"a": 1, "b": {"c": [2]}},
        "delay": {"for": "1ms"},
        "branch": {"cases": [{"when": "true", "steps": SAY}], "else": []},
        "parallel": {"branches": {"left": SAY}},
        "map": {"over": "[1]", "as": "item", "concurrency": 1, "steps": SAY},
        "loop": {"while": "round.index < 1", "limit": 2, "steps": SAY},
        "wait_for_signal": {"name": "go"},
        "wait_for_approval": approval,
        "wait_for_human": approval,
        "workflow": {"definition": "inner", "version": 1, "inputs": {"a": {"b": 1}}},
        "python": {"step": "charge", "arguments": {"bill": {"order": "o", "cents": 1}, "currency": "EUR"}},
        "http": {"url": f"{url}/200/ask", "method": "POST", "headers": {"A": "b"}, "json": {"a": [1]}, "seconds": 5.0},
        "webhook": {"url": f"{url}/200/tell", "topic": "paid", "data": {"a": [1]}},
        "prompt": {
            "prompt": "How?", "provider": "local", "url": f"{url}/200/v1", "model": "m", "key": "k", "system": "s", "context": "It is.",
            "history": [{"role": "user", "content": "before"}], "options": {"a": [1]}, "seconds": 5.0, "silence": 5.0,
        },
        "rag_search": {"query": "invoices", "collection": ["handbook"], "limit": 1, "match": "any", "ranking": "words", "characters": 50},
    }  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a secret could stand in the place of a part."""
    if path:
        yield path
    parts: list[tuple[Any, Any]] = list(value.items()) if is_map(value) else list(enumerate(value)) if is_list(value) else []
    for key, part in parts:
        yield from places(part, (*path, key))


def with_secret(config: dict[str, Any], path: tuple[Any, ...], secret: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    part: Any = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = secret
    return changed


def definition(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    timed = {"timeout": "50ms"} if kind.startswith("wait_for") else {}
    retry = {"retry": {"attempts": 1}} if kind in ("http", "webhook", "prompt", "rag_search") else {}
    return {"name": "a", "inputs": {"given": {"default": None}}, "steps": [{"id": "one", "type": kind, "config": config, **timed, **retry}]}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PERDURE_RAG", raising=False)
    (tmp_path / "pay.md").write_text("# Paying\n\nInvoices are paid within 30 days.\n", encoding="utf-8")
    ingest(tmp_path / "log.db-rag", "default", "handbook", [str(tmp_path / "pay.md")])
    return f"sqlite:///{tmp_path}/log.db"


def told(tmp_path: Path) -> bytes:
    """The log as it is on the disk."""
    return b"".join(path.read_bytes() for path in sorted(tmp_path.glob("log.db*")) if path.is_file())


def test_every_type_that_is_brought_along_is_gone_over() -> None:
    assert {line.name for line in types_of().lines()} == set(whole(""))


@pytest.mark.anyio
@pytest.mark.parametrize("kind", whole(""))
async def test_a_secret_is_refused_or_in_no_byte_of_the_log(kind: str, log: str, tmp_path: Path, receiver: Receiver) -> None:
    config = whole(receiver.url)[kind]
    refused: set[tuple[Any, ...]] = set()
    ran = 0
    async with perdure.open(log, steps=[charge]) as runtime:
        await runtime.apply_definition({"name": "inner", "inputs": {"a": {}}, "steps": SAY})
        for path in places(config):
            text = definition(kind, with_secret(config, path, NAMED))
            if (await runtime.check_definition(text)).faults:
                refused.add(path)
                continue
            run, ran = await runtime.start_definition(text), ran + 1
            with suppress(perdure.RunError):
                await run.result(within=BOUND)
        found = told(tmp_path)
        run = await runtime.start_definition(definition(kind, config))  # with no secret at all it runs, so that what was held was something
        with suppress(perdure.RunError):
            await run.result(within=BOUND)

    found += told(tmp_path)
    assert b"perdure.definition" in found
    assert not any(form.encode() in found for form in (SECRET, SECRET.replace('"', '\\"'), "open%20it", "open it"))
    if kind == "webhook":
        assert refused == set(places(config))
    if kind == "http":
        assert ("headers", "A") not in refused
        assert ran >= 4


@pytest.mark.anyio
async def test_a_secret_that_is_no_text_where_one_is_asked_for_is_told_with_its_place(receiver: Receiver) -> None:
    checked = check(definition("http", {"url": receiver.url, "method": NAMED, "seconds": NAMED}), types_of())
    recorded = check(definition("webhook", {"url": receiver.url, "topic": "paid", "data": {"a": NAMED}}), types_of())

    assert [(fault.path, fault.expected) for fault in checked.faults] == [
        ("$.steps[0].config.method", "one of 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'"),
        ("$.steps[0].config.seconds", "float"),
    ]
    assert [(fault.path, "type http" in fault.instead) for fault in recorded.faults] == [("$.steps[0].config.data", True)]


@pytest.mark.anyio
async def test_data_names_no_secrets(log: str, tmp_path: Path, receiver: Receiver) -> None:
    """Whoever starts a run, or answers a call, may hand over what looks like a secret: it is sent as it came."""
    body = {"url": f"{receiver.url}/200/ask", "method": "POST", "json": {"own": NAMED, "given": "${ inputs.given }"}}
    told_ = {"url": f"{receiver.url}/200/tell", "topic": "paid", "data": "${ inputs.given }"}
    async with perdure.open(log) as runtime:
        for kind, config in (("http", body), ("webhook", told_)):
            run = await runtime.start_definition(definition(kind, config), {"given": {"deep": [NAMED]}})
            await run.result(within=BOUND)
        requests = {request.path.rpartition("/")[2]: request.body for request in await anyio.to_thread.run_sync(receiver.wait, 2)}

    assert requests["ask"] == b'{"given":{"deep":[{"secret":"TOKEN"}]},"own":"sesame/open it\'s \\"mine\\""}'
    assert requests["tell"].endswith(b'"data":{"deep":[{"secret":"TOKEN"}]}}')
    assert b"sesame" not in told(tmp_path)


def test_a_secret_is_covered_however_it_is_written() -> None:
    cover = Cover()
    cover.values.append(SECRET)

    for text in (SECRET, repr({"a": SECRET}), '{"a": "sesame/open it\'s \\"mine\\""}', "https://x/?a=sesame%2Fopen%20it%27s%20%22mine%22"):
        assert cover.hides(text)
        assert "mine" not in cover.over({"a": [text]})["a"][0]
    assert not cover.hides("nothing of it")


def test_places_of_secrets_are_found() -> None:
    assert places_in({"a": NAMED, "b": [{"c": NAMED}, 1], "d": {"secret": "X", "more": 1}}) == {("a",), ("b", 0, "c")}
