"""What was removed from a log behind its back is found: the whole log is Corrupt, or the one run, never silently shorter."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

import perdure
from perdure import workflow
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.records.headlines import entry_data
from perdure.adapters.nats.verifying import verify
from perdure.adapters.nats.views.evidence import Evidence
from perdure.adapters.nats.views.index import Index
from perdure.adapters.nats.wire import api
from perdure.adapters.nats.wire.buckets import BUCKETS
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Message, Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Corrupt
from perdure.eventlog.log import Carrier, Summary
from perdure.eventlog.records import EMPTY, Append, Tail, sealed, verified
from perdure.eventlog.snapshots import Snapshot
from tests.adapters.nats.server import NatsServer, running
from tests.eventlog.making import accepted, content, head, row_of

pytestmark = pytest.mark.anyio

ONE, OTHER = "run/default/one", "run/default/other"


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@asynccontextmanager
async def store_of(url: str, namespace: str) -> AsyncGenerator[Store]:
    """The tools of an operator, who can do anything."""
    async with connect(url) as connection:
        yield Store(connection, Subjects(namespace, 64))


async def delete_last(store: Store, stream: str) -> None:
    found = await store.last("LOG", store.subjects.of(stream))
    assert found is not None
    assert json.loads(await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket}", {"seq": found.sequence}))["success"]


def growing(stream: str) -> list[Append]:
    """Three records, of which the first and the last change the head."""
    first = sealed(stream, EMPTY, content(1), 1, head(wake_at=None))
    second = sealed(stream, first.tail, content(2), 1)
    return [first, second, sealed(stream, second.tail, content(3), 1, head("done", None))]


async def corrupt(carrier: Carrier, stream: str, version: int = 0) -> Corrupt:
    with pytest.raises(Corrupt) as caught:
        await carrier.log.load({stream: version})

    assert caught.value.who == stream
    return caught.value


async def torn(carrier: Carrier, stream: str) -> None:
    """Its records are no chain, or not all of it."""
    with pytest.raises(Corrupt):
        list(verified(stream, EMPTY, (await carrier.log.load({stream: 0}))[stream]))


async def test_a_run_whose_last_record_was_deleted_is_corrupt_and_others_are_not(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, [*growing(ONE), *growing(OTHER)])
    async with store_of(nats_server.url, namespace) as store:
        await delete_last(store, ONE)
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        found = await corrupt(carrier, ONE)

        assert "version 3" in found.where
        assert found.found.startswith("version 2")
        assert len((await carrier.log.load({OTHER: 0}))[OTHER]) == 3


async def test_heads_alone_are_evidence_where_anchors_have_moved_on(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, growing(ONE))
    async with store_of(nats_server.url, namespace) as store:
        await store.purge("ANCHORS", f"perdure.{namespace}.anchor.*")
        await store.purge("LOG", store.subjects.of(ONE))
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        assert (await corrupt(carrier, ONE)).found == "no record at all"


async def test_what_this_process_wrote_is_evidence_before_anything_is_flushed(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier, store_of(nats_server.url, namespace) as store:
        await accepted(carrier.log, row_of(ONE, 4))
        await delete_last(store, ONE)

        await corrupt(carrier, ONE)


async def test_a_snapshot_is_evidence_of_what_is_before_it(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier, store_of(nats_server.url, namespace) as store:
        tail: Tail = (await accepted(carrier.log, row_of(ONE, 4)))[-1]
        await carrier.snapshots.save([Snapshot.of(ONE, tail, 1, b"state")])
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier, store_of(nats_server.url, namespace) as store:
        await store.purge("ANCHORS", f"perdure.{namespace}.anchor.*")
        await carrier.snapshots.load([ONE])
        assert (await carrier.log.load({ONE: 4})) == {ONE: []}
        await delete_last(store, ONE)

        await corrupt(carrier, ONE, 4)


@workflow
async def nothing() -> str:
    return "done"


async def test_a_run_that_was_removed_is_not_begun_again(nats_server: NatsServer, namespace: str) -> None:
    async with perdure.open(f"{nats_server.url}/{namespace}", workflows=[nothing]) as runtime:
        for run in ("first", "one"):
            assert await (await runtime.start(nothing, id=run)).result() == "done"
    async with store_of(nats_server.url, namespace) as store:
        await store.purge("LOG", store.subjects.of(ONE))
    async with perdure.open(f"{nats_server.url}/{namespace}", workflows=[nothing]) as runtime:
        with pytest.raises(Corrupt):
            await runtime.start(nothing, id="one")
        assert await (await runtime.start(nothing, id="another")).result() == "done"


@pytest.mark.parametrize("upto", [0, 2, 3])
async def test_a_log_that_was_purged_from_its_beginning_is_corrupt_as_a_whole(nats_server: NatsServer, namespace: str, upto: int) -> None:
    url = f"{nats_server.url}/{namespace}"
    async with open_nats(url) as carrier:
        for stream in (ONE, OTHER):
            await accepted(carrier.log, growing(stream))
    async with store_of(nats_server.url, namespace) as store:
        await store.purge("LOG", store.subjects.all, upto)
        before = api.stream_info(await store.call(f"STREAM.INFO.{store.subjects.bucket}", {})).state
        for _ in range(2):
            with pytest.raises(Corrupt, match=f"it begins at {before.last_seq + 1 if not upto else upto + 1}: it was purged"):
                async with perdure.open(url):
                    pass
        after = api.stream_info(await store.call(f"STREAM.INFO.{store.subjects.bucket}", {})).state
        assert (after.messages, after.last_seq) == (before.messages, before.last_seq)
        await store.call(f"STREAM.DELETE.{store.subjects.bucket_of('ANCHORS')}", {})  # as the error says: go on with what is left
    async with open_nats(url) as carrier:
        await torn(carrier, ONE)


async def test_a_message_that_is_lost_in_the_middle_of_the_log_is_its_runs_alone(nats_server: NatsServer, namespace: str) -> None:
    url = f"{nats_server.url}/{namespace}"
    async with open_nats(url) as carrier:
        for stream in (ONE, OTHER):
            await accepted(carrier.log, growing(stream))
    async with store_of(nats_server.url, namespace) as store:
        await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket}", {"seq": 5})
    async with open_nats(url) as carrier:
        await torn(carrier, OTHER)
        assert len((await carrier.log.load({ONE: 0}))[ONE]) == 3


async def test_of_a_run_whose_name_is_made_up_here_nobody_is_asked_whether_it_was(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    newest_of = Store.newest_of

    async def noted(self: Store, part: str, subjects: Sequence[str], **options: int) -> dict[str, Message]:
        asked.extend(subject.rpartition(".")[2] for subject in subjects if part == "HEADS")
        return await newest_of(self, part, subjects, **options)

    monkeypatch.setattr(Store, "newest_of", noted)
    async with perdure.open(f"{nats_server.url}/{namespace}", workflows=[nothing]) as runtime:
        named = await runtime.start(nothing, id="named")
        new = await runtime.start(nothing)
        assert [await named.result(), await new.result()] == ["done", "done"]

    assert asked == ["named"]


async def test_a_name_that_was_made_up_is_new_only_once(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, growing(ONE))
    async with store_of(nats_server.url, namespace) as store:
        evidence = Evidence(store, Index(store.subjects))
        evidence.made_up(ONE)

        assert await evidence.tails([ONE]) == {}
        assert list(await evidence.tails([ONE])) == [ONE]


async def test_a_log_that_was_replaced_by_an_older_copy_is_corrupt_as_a_whole(tmp_path: Path) -> None:
    room = tmp_path / "server"
    room.mkdir()
    with running(room) as server:
        kept = room / "store" / "jetstream" / "$G" / "streams" / "PERDURE_shop_LOG"
        async with open_nats(f"{server.url}/shop") as carrier:
            await accepted(carrier.log, row_of(ONE, 3))
        server.stop()
        shutil.copytree(kept, tmp_path / "backup")
        server.start()
        async with open_nats(f"{server.url}/shop") as carrier:
            await accepted(carrier.log, row_of(OTHER, 3))
        server.stop()
        shutil.rmtree(kept)
        shutil.copytree(tmp_path / "backup", kept)
        server.start()
        with pytest.raises(Corrupt) as caught:
            async with open_nats(f"{server.url}/shop"):
                pass

        assert caught.value.who == "PERDURE_shop_LOG"
        assert "at least 6" in caught.value.expected
        assert "older copy" in caught.value.found

        async with store_of(server.url, "shop") as store:  # what the page of production says of who wants the older copy
            for part in ("ANCHORS", "HEADS", "WAKE", "SNAPS"):
                await store.call(f"STREAM.DELETE.{store.subjects.bucket_of(part)}", {})
        async with open_nats(f"{server.url}/shop") as carrier:
            assert [len(records) for records in (await carrier.log.load({ONE: 0, OTHER: 0})).values()] == [3, 0]


async def test_a_log_that_was_deleted_is_not_made_anew(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, row_of(ONE, 3))
    async with store_of(nats_server.url, namespace) as store:
        await store.call(f"STREAM.DELETE.{store.subjects.bucket}", {})
    for _ in range(2):
        with pytest.raises(Corrupt, match="the log is gone"):
            async with open_nats(f"{nats_server.url}/{namespace}"):
                pass


@pytest.mark.parametrize("part", [bucket.part for bucket in BUCKETS if bucket.part not in {"LOG", "BLOBS"}])
@pytest.mark.parametrize("how", ["DELETE", "PURGE"])
async def test_every_other_stream_can_be_lost_and_no_run_is_forgotten(nats_server: NatsServer, namespace: str, part: str, how: str) -> None:
    wakes = {f"run/default/{number}": number for number in range(10)}
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, [sealed(stream, EMPTY, content(1), 1, head(wake_at=at)) for stream, at in wakes.items()])
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        before = carrier.epoch
    async with store_of(nats_server.url, namespace) as store:
        await store.call(f"STREAM.{how}.{store.subjects.bucket_of(part)}", {})
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        assert carrier.epoch > before
        assert {one.stream: one.head.wake_at for one in await carrier.heads.due(100)} == wakes
        assert [one.stream for one in await carrier.heads.all()] == sorted(wakes)


async def test_an_entry_of_wake_ups_that_cannot_be_read_is_made_anew(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, [sealed(stream, EMPTY, content(1), 1, head(wake_at=5)) for stream in (ONE, OTHER)])
    async with store_of(nats_server.url, namespace) as store:
        for part, tree in (("WAKE", "wake"), ("HEADS", "head"), ("ANCHORS", "anchor")):
            subject = store.subjects.of(ONE, tree) if part != "ANCHORS" else store.subjects.leaf(tree, store.subjects.partition_of(ONE))
            await store.publish(part, subject, b'{"version":')
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        assert [one.stream for one in await carrier.heads.due(100)] == [ONE, OTHER]
        assert len((await carrier.log.load({ONE: 0}))[ONE]) == 1


async def test_a_run_with_a_record_that_is_none_is_woken_and_others_go_on(nats_server: NatsServer, namespace: str) -> None:
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        await accepted(carrier.log, [sealed(stream, EMPTY, content(1), 1, head(wake_at=5)) for stream in (ONE, OTHER)])
    async with store_of(nats_server.url, namespace) as store:
        await store.publish("LOG", store.subjects.of("run/default/three"), b"mine")
    async with open_nats(f"{nats_server.url}/{namespace}") as carrier:
        assert [one.stream for one in await carrier.heads.due(100)] == ["run/default/three", ONE, OTHER]
        await corrupt(carrier, "run/default/three")


async def test_verifying_takes_a_head_with_a_later_tail_for_what_it_is(nats_server: NatsServer, namespace: str) -> None:
    """The view vouches for a last record that changed no head by the head before it; another head is another."""
    url, first = f"{nats_server.url}/{namespace}", sealed(ONE, EMPTY, content(1), 1, head(wake_at=None))
    second = sealed(ONE, first.tail, content(2), 1)
    async with open_nats(url) as carrier:
        await accepted(carrier.log, [first, second])
    found: list[list[str]] = []
    for status in ("running", "done"):
        async with store_of(nats_server.url, namespace) as store:
            entry = entry_data(Summary(ONE, second.tail, head(status, None)))
            await store.publish("HEADS", store.subjects.of(ONE, "head"), entry)
        found.append([finding.where for finding in (await verify(url)).findings])

    assert found == [[], ["HEADS"]]
