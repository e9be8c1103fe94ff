"""`perdure nats`: a namespace is made once, compared, shown, and never changed."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import anyio
import pytest

from perdure.adapters.cli.main import exit_code_of
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.wire.buckets import BUCKETS, config_of
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from tests.adapters.nats.server import NatsServer, nats_server
from tests.eventlog.making import STREAM, grown

__all__ = ["nats_server"]


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """(exit code, what it says in JSON, on stdout or else on stderr)."""
    code = exit_code_of([*words, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out or said.err)


def update(url: str, namespace: str, part: str, change: dict[str, Any]) -> None:
    async def change_it() -> None:
        async with connect(url) as connection:
            store = Store(connection, Subjects(namespace, 64))
            config = config_of(store.subjects, next(bucket for bucket in BUCKETS if bucket.part == part), 1) | change
            await store.call(f"STREAM.UPDATE.{config['name']}", config)

    anyio.run(change_it)


def test_init_makes_what_is_missing_and_repeats_harmlessly(
    nats_server: NatsServer, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{nats_server.url}/{namespace}"
    before = told(capsys, "nats", "check", url)
    first, second = told(capsys, "nats", "init", url), told(capsys, "nats", "init", url)

    assert (before[0], len(before[1]["missing"]), before[1]["durability"]) == (10, len(BUCKETS), None)
    assert (first[0], len(first[1]["made"]), first[1]["there"]) == (0, len(BUCKETS) + 1, [])
    assert first[1]["made"][-1] == f"PERDURE_{namespace}_IN/perdure"
    assert (second[0], second[1]["made"], len(second[1]["there"])) == (0, [], len(BUCKETS) + 1)
    assert told(capsys, "nats", "check", url)[0] == 0


def test_check_says_what_differs_and_init_changes_nothing(
    nats_server: NatsServer, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{nats_server.url}/{namespace}"
    told(capsys, "nats", "init", url)
    update(nats_server.url, namespace, "LOG", {"max_age": 3600 * 10**9})
    code, found = told(capsys, "nats", "check", url)
    refused, error = told(capsys, "nats", "init", url)

    expected = {"stream": f"PERDURE_{namespace}_LOG", "field": "max_age", "expected": 0, "found": 3600 * 10**9}
    assert (code, found["differences"]) == (10, [expected])
    assert (refused != 0, error["error"], error["where"]) == (True, "invalid", "max_age")
    assert told(capsys, "nats", "check", url)[1]["differences"] == [expected]


def test_status_shows_what_is_held_and_by_whom(nats_server: NatsServer, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{nats_server.url}/{namespace}"
    seen: list[dict[str, Any]] = []

    async def serve() -> None:
        async with open_nats(url, owner="here") as carrier:
            await grown(carrier.log, STREAM, 3)
            seen.append((await anyio.to_thread.run_sync(told, capsys, "nats", "status", url))[1])

    anyio.run(serve)
    code, after = told(capsys, "nats", "status", url)

    assert [(line["owner"].startswith("here."), line["partitions"], line["epoch"]) for line in seen[0]["owners"]] == [(True, 64, 1)]
    assert code == 0
    assert (after["records"], after["streams"], after["behind"], after["durability"]) == (3, 1, 0, "process")
    assert after["owners"] == [{"owner": "", "partitions": 64, "epoch": 1}]
    assert {line["name"] for line in after["stored"]} == {f"PERDURE_{namespace}_{bucket.part}" for bucket in BUCKETS}


def test_status_of_what_is_not_there_says_how_to_make_it(
    nats_server: NatsServer, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = told(capsys, "nats", "status", f"{nats_server.url}/{namespace}")

    assert (code != 0, error["error"]) == (True, "not_found")
    assert "perdure nats init" in error["instead"]


def test_people_are_told_the_same(nats_server: NatsServer, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"{nats_server.url}/{namespace}"
    said: list[str] = []
    for words in ("check", "init", "check", "status"):
        exit_code_of(["nats", words, url])
        said.append(capsys.readouterr().out)
    missing, made, sound, standing = said

    assert f"PERDURE_{namespace}_LOG  is missing" in missing
    assert f"PERDURE_{namespace}_LOG  made" in made
    assert "as perdure relies on" in sound
    assert "0 records  0 streams" in standing
    assert "(nobody)" in standing
