"""An operator's mistakes: each is told at once, with what to do, and nothing is half-made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure.adapters.nats.inspecting import check
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.wire.buckets import BUCKETS, config_of
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Invalid, PerdureError, Refused, Unavailable
from perdure.eventlog.records import EMPTY, sealed
from tests.adapters.nats.server import NatsServer, running
from tests.eventlog.making import PATIENCE, STREAM, accepted, grown, row_of

pytestmark = pytest.mark.anyio

ROLES = """authorization { users = [
    { user: owner, password: o },
    { user: blind, password: b, permissions: { publish: "$JS.API.STREAM.NAMES", subscribe: ">" } },
    { user: half, password: h, permissions: {
        publish: { allow: ">", deny: "$JS.API.STREAM.CREATE.PERDURE_shop_FENCES" }, subscribe: ">" } },
    { user: mute, password: m, permissions: { publish: { allow: ">", deny: "perdure.shop.wake.>" }, subscribe: ">" } },
    { user: apart, password: a, permissions: { publish: {
        allow: [ "perdure.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.PERDURE_shop_LOG",
                 "$JS.API.STREAM.CREATE.PERDURE_shop_HEADS" ] }, subscribe: ">" } },
    { user: deaf, password: d, permissions: { publish: ">", subscribe: "_DEAF.>" } } ] }"""


@asynccontextmanager
async def tools(url: str, namespace: str = "shop") -> AsyncGenerator[Store]:
    async with connect(url) as connection:
        yield Store(connection, Subjects(namespace, 64))


async def refusal(url: str) -> PerdureError:
    """What opening says."""
    with pytest.raises(PerdureError) as caught, anyio.fail_after(2 * PATIENCE):
        async with perdure.open(url):
            pass

    assert caught.value.instead
    return caught.value


async def names(url: str) -> list[str]:
    async with tools(url) as store:
        return json.loads(await store.call("STREAM.NAMES", {})).get("streams") or []


async def test_a_server_that_is_not_there_is_unavailable_in_bounded_time(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.adapters.nats.wire.connection.CONNECT_SECONDS", 0.5)
    error = await refusal(f"nats://127.0.0.1:{unused_port}/shop")

    assert isinstance(error, Unavailable)
    assert "refused" in error.found or "Connect" in error.found
    assert "start nats-server" in error.instead


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


async def test_a_server_without_jetstream_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.adapters.nats.fitness.JETSTREAM_SECONDS", 0.3)
    with running(tmp_path, jetstream=False) as server:
        error = await refusal(f"{server.url}/shop")

    assert isinstance(error, Refused)
    assert "nats-server -js" in error.instead


async def test_an_account_without_jetstream_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.adapters.nats.fitness.JETSTREAM_SECONDS", 0.3)
    accounts = "accounts { A: { jetstream: enabled, users: [{ user: a, password: a }] }, B: { users: [{ user: b, password: b }] } }"
    with running(tmp_path, accounts) as server:
        error = await refusal(f"{server.url.replace('//', '//b:b@')}/shop")

        assert isinstance(error, Refused)
        assert "account" in error.instead
        async with open_nats(f"{server.url.replace('//', '//a:a@')}/shop"):
            pass


async def test_a_wrong_password_is_refused_at_once_and_not_shown(tmp_path: Path) -> None:
    with running(tmp_path, ROLES) as server:
        with anyio.fail_after(2):
            error = await refusal(f"{server.url.replace('//', '//owner:secret@')}/shop")

    assert isinstance(error, Refused)
    assert "authorization" in error.found.lower()
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("user", "where", "instead"),
    [("blind:b", "subject $JS.API.INFO", "allow"), ("half:h", "subject $JS.API.STREAM.CREATE.PERDURE_shop_FENCES", "allow"),
     ("deaf:d", "subject _INBOX", "?inbox=")],
)  # fmt: skip
async def test_a_missing_permission_is_named_and_nothing_is_half_made(tmp_path: Path, user: str, where: str, instead: str) -> None:
    with running(tmp_path, ROLES) as server:
        error = await refusal(f"{server.url.replace('//', f'//{user}@')}/shop")

        assert isinstance(error, Refused)
        assert error.where.lower().startswith(where.lower())
        assert instead in error.instead
        assert await names(server.url.replace("//", "//owner:o@")) == []


async def test_who_makes_some_streams_and_may_not_remove_them_is_told_which_are_left(tmp_path: Path) -> None:
    with running(tmp_path, ROLES) as server:
        error = await refusal(f"{server.url.replace('//', '//apart:a@')}/shop")
        left = await names(server.url.replace("//", "//owner:o@"))

        assert sorted(left) == ["PERDURE_shop_HEADS", "PERDURE_shop_LOG"]
        assert isinstance(error, Refused)
        assert error.where == "subject $JS.API.STREAM.CREATE.PERDURE_shop_WAKE"
        assert "PERDURE_shop_LOG, PERDURE_shop_HEADS had been made" in error.found
        assert "nats stream rm PERDURE_shop_HEADS" in error.instead
        async with open_nats(f"{server.url.replace('//', '//owner:o@')}/shop") as carrier:
            await grown(carrier.log, STREAM, 1)


async def test_who_may_not_write_a_view_is_told_so(tmp_path: Path) -> None:
    with running(tmp_path, ROLES) as server:
        error = await refusal(f"{server.url.replace('//', '//mute:m@')}/shop")

    assert "perdure.shop.wake" in str(error)


async def test_another_prefix_for_answers_serves_who_may_not_hear_the_usual_one(tmp_path: Path) -> None:
    with running(tmp_path, ROLES) as server:
        async with open_nats(f"{server.url.replace('//', '//deaf:d@')}/shop?inbox=_DEAF") as carrier:
            await grown(carrier.log, STREAM, 3)


@pytest.mark.parametrize(
    ("part", "change", "field"),
    [("LOG", {"max_age": 10**9 * 3600}, "max_age"), ("LOG", {"discard": "old", "max_msgs": 1000}, "discard"),
     ("HEADS", {"max_msgs_per_subject": 2}, "max_msgs_per_subject"), ("WAKE", {"allow_direct": False}, "allow_direct"),
     ("LOG", {"no_ack": True}, "no_ack"), ("BLOBS", {"sealed": True, "deny_delete": True, "deny_purge": True}, "sealed"),
     ("SNAPS", {"subject_transform": {"src": "perdure.>", "dest": "other.>"}}, "subject_transform"),
     ("LOG", {"sources": [{"name": "OTHER"}]}, "sources")],
)  # fmt: skip
async def test_a_stream_configured_otherwise_is_reported_and_never_changed(
    nats_server: NatsServer, part: str, change: dict[str, object], field: str
) -> None:
    namespace = uuid4().hex
    async with open_nats(f"{nats_server.url}/{namespace}"):
        pass
    async with tools(nats_server.url, namespace) as store:
        bucket = next(bucket for bucket in BUCKETS if bucket.part == part)
        config = config_of(store.subjects, bucket, 1) | change
        answer = json.loads(await store.call(f"STREAM.UPDATE.{config['name']}", config))
        assert "error" not in answer
        error = await refusal(f"{nats_server.url}/{namespace}")
        after = json.loads(await store.call(f"STREAM.INFO.{config['name']}", {}))

    assert isinstance(error, Invalid)
    assert (error.who, error.where) == (config["name"], field)
    assert f"{field} is" in error.found
    assert after["config"] == answer["config"]


@pytest.mark.parametrize("change", [{"max_bytes": 10**9}, {"description": "ours"}])
async def test_what_is_the_operators_to_choose_is_no_difference(nats_server: NatsServer, change: dict[str, object]) -> None:
    namespace = uuid4().hex
    async with open_nats(f"{nats_server.url}/{namespace}"):
        pass
    async with tools(nats_server.url, namespace) as store:
        config = config_of(store.subjects, BUCKETS[0], 1) | change
        assert "error" not in json.loads(await store.call(f"STREAM.UPDATE.{config['name']}", config))
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await grown(carrier.log, STREAM, 1)


async def test_a_full_stream_refuses_what_is_new_and_takes_it_when_there_is_room(nats_server: NatsServer) -> None:
    namespace = uuid4().hex
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier, tools(nats_server.url, namespace) as store:
        tail = await grown(carrier.log, STREAM, 1)
        config = config_of(store.subjects, BUCKETS[0], 1)
        await store.call(f"STREAM.UPDATE.{config['name']}", config | {"max_bytes": 1000})
        large = sealed("run/default/large", EMPTY, b"x" * 2000, 1)
        with pytest.raises(Unavailable) as full, anyio.fail_after(2):
            await carrier.log.append([large])
        await store.call(f"STREAM.UPDATE.{config['name']}", config)

        assert "maximum bytes" in full.value.found
        assert "limits" in full.value.instead
        await accepted(carrier.log, [large, *row_of(STREAM, 1, after=tail, first=tail.version + 1)])


@asynccontextmanager
async def disguised(server: NatsServer, true: bytes, told: bytes) -> AsyncGenerator[str]:
    """The server behind something that changes what it says of itself."""
    pumps: set[asyncio.Task[None]] = set()
    ends: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data.replace(true, told))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        ends.update({writer, back})
        pumps.update({asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))})

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}/shop"
    finally:
        listening.close()
        for end in ends:
            end.close()
        await asyncio.gather(*pumps, return_exceptions=True)
        await listening.wait_closed()


@pytest.mark.parametrize(
    ("true", "told", "expected"),
    [(b'"version":"2.15.1"', b'"version":"2.10.9"', "nats-server 2.12 or newer"),
     (b'"max_payload":1048576', b'"max_payload":  65536', "at least")],
)  # fmt: skip
async def test_a_server_that_will_not_do_is_refused(nats_server: NatsServer, true: bytes, told: bytes, expected: str) -> None:
    async with disguised(nats_server, true, told) as url:
        error = await refusal(url)

    assert isinstance(error, Refused)
    assert error.expected.startswith(expected)


async def test_durability_is_what_can_be_shown_or_what_the_operator_says(nats_server: NatsServer) -> None:
    namespace = uuid4().hex
    for query, expected in (("", "process"), ("?sync=interval", "process"), ("?sync=always", "power")):
        async with open_nats(f"{nats_server.url}/{namespace}{query}") as carrier:
            assert carrier.durability == expected


@pytest.mark.parametrize(("part", "change", "field"), [
    ("BLOBS", {"storage": "memory"}, "storage"), ("SNAPS", {"persist_mode": "async"}, "persist_mode"),
    ("SNAPS", {"subjects": [], "mirror": {"name": "OTHER"}}, "mirror"),
])  # fmt: skip
async def test_a_stream_that_was_made_otherwise_is_reported(
    nats_server: NatsServer, part: str, change: dict[str, object], field: str
) -> None:
    namespace = uuid4().hex
    async with tools(nats_server.url, namespace) as store:
        config = config_of(store.subjects, next(bucket for bucket in BUCKETS if bucket.part == part), 1) | change
        assert "error" not in json.loads(await store.call(f"STREAM.CREATE.{config['name']}", config))
    found = (await check(f"{nats_server.url}/{namespace}")).differences
    error = await refusal(f"{nats_server.url}/{namespace}")

    assert field in {drift.field for drift in found}
    assert isinstance(error, Invalid)
    assert f"{field} is" in error.found


async def test_a_log_in_memory_is_not_called_durable(nats_server: NatsServer) -> None:
    namespace = uuid4().hex
    async with tools(nats_server.url, namespace) as store:
        config = config_of(store.subjects, BUCKETS[0], 1) | {"storage": "memory"}
        await store.call(f"STREAM.CREATE.{config['name']}", config)
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        assert carrier.durability == "memory"
    error = await refusal(f"{nats_server.url}/{namespace}?sync=always")
    checked = await check(f"{nats_server.url}/{namespace}")

    assert isinstance(error, Refused)
    assert "file" in error.expected
    assert [(drift.field, drift.expected, drift.found) for drift in checked.differences] == [("storage", "file", "memory")]
