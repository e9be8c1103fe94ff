"""Webhooks on a real log, to a real receiver."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import perdure
from perdure.adapters.cli.main import exit_code_of
from perdure.adapters.webhooks.signatures import Secret, signature
from perdure.eventlog.errors import NotFound, Refused
from perdure.runtime.requests.webhooks import WebhookLine
from perdure.runtime.settings.webhooks import WebhookSettings
from perdure.steps import webhook
from tests.adapters.cli.calling import Said
from tests.adapters.webhooks.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105


@perdure.workflow
async def tells(url: str) -> str:
    return await webhook(url, "order.paid", {"cents": 1200})


async def until(runtime: perdure.Runtime, id: str, status: str) -> WebhookLine:
    """How the webhook stands, once it stands so."""
    for _ in range(2000):
        found = (await runtime.webhook(id)).webhook
        if found.status == status:
            return found
        await anyio.sleep(0.01)
    raise AssertionError(f"the webhook {id} is not {status}")


@pytest.mark.anyio
async def test_a_webhook_arrives_signed_under_the_id_that_the_step_gave(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[tells]) as runtime:
        id = await (await runtime.start(tells, f"{receiver.url}/200")).result()
        line = await until(runtime, id, "delivered")

    [request] = receiver.requests
    seconds = int(request.headers["webhook-timestamp"])
    assert (request.id, line.attempts, request.headers["x-workflow-id"]) == (id, 1, "tells")
    assert request.headers["webhook-signature"] == signature(Secret.of(SECRET, "test"), id, seconds, request.body)
    assert request.body.endswith(b'"data":{"cents":1200}}')


@pytest.mark.anyio
async def test_what_fails_is_tried_again_under_one_id_and_ends_as_a_dead_letter(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[tells]) as runtime:
        id = await (await runtime.start(tells, f"{receiver.url}/503")).result()
        line = await until(runtime, id, "dead")
        page = await runtime.webhooks()

    assert [request.id for request in receiver.requests] == [id] * 3
    assert page.webhooks == [line]
    assert (line.attempts, line.error, line.next_attempt, page.after) == (3, "HTTP 503: so", None, None)


@pytest.mark.anyio
async def test_what_waits_for_its_next_attempt_when_the_process_ends_is_sent_on_by_the_next(receiver: Receiver, tmp_path: Path) -> None:
    log = f"sqlite:///{tmp_path}/shop.db"
    async with perdure.open(log, workflows=[tells]) as runtime:
        id = await (await runtime.start(tells, f"{receiver.url}/503")).result()
        await until(runtime, id, "retrying")
    receiver.healed = True
    async with perdure.open(log) as runtime:
        await until(runtime, id, "delivered")

    assert {request.id for request in receiver.requests} == {id}


@pytest.mark.anyio
async def test_a_redirect_is_a_failure_and_gone_is_the_end(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[tells]) as runtime:
        moved = await (await runtime.start(tells, f"{receiver.url}/302")).result()
        gone = await (await runtime.start(tells, f"{receiver.url}/410")).result()
        lines = [await until(runtime, id, "dead") for id in (moved, gone)]

    assert [line.attempts for line in lines] == [3, 1]
    assert {request.path for request in receiver.requests} == {"/302", "/410"}


@pytest.mark.anyio
async def test_a_dead_letter_is_redriven_or_dropped(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[tells]) as runtime:
        ids = [await (await runtime.start(tells, f"{receiver.url}/500")).result() for _ in "ab"]
        for id in ids:
            await until(runtime, id, "dead")
        receiver.healed = True
        await runtime.redrive_webhook(ids[0], by="ada")
        await runtime.drop_webhook(ids[1], by="ada", why="nobody reads it")

        assert (await until(runtime, ids[0], "delivered")).attempts == 4
        assert (await until(runtime, ids[1], "dropped")).attempts == 3
        with pytest.raises(Refused):
            await runtime.redrive_webhook(ids[1])
        with pytest.raises(NotFound):
            await runtime.webhook("msg-of-nobody")


@pytest.mark.anyio
async def test_a_step_is_told_at_once_that_a_host_may_not_be_called(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[tells]) as runtime:
        with pytest.raises(perdure.RunError, match="this host is not called"):
            await (await runtime.start(tells, "http://10.0.0.1/hook")).result()


def test_the_command_line_and_the_view_show_dead_letters_while_and_after_the_file_is_served(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "shop.db"

    def invoke(*arguments: str) -> Said:
        code = exit_code_of(arguments)
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    async def play() -> str:
        async with perdure.open(f"sqlite:///{place}", workflows=[tells]) as runtime:
            id = await (await runtime.start(tells, f"{receiver.url}/500", id="o-1")).result()
            await until(runtime, id, "dead")
            listed = await anyio.to_thread.run_sync(invoke, "webhooks", "dead", "--log", str(place), "--json")
            assert [line["id"] for line in listed.json["webhooks"]] == [id]
            return id

    id = anyio.run(play)
    log = ("--log", str(place))
    with closing(sqlite3.connect(place)) as db:
        [row] = db.execute("select * from workflow_webhook_dlq").fetchall()

    assert row[:4] == (id, "default", "o-1", f"{receiver.url}/500")
    assert (row[4].endswith('"data":{"cents":1200}}'), row[5], row[6], row[7]) == (True, 3, None, "HTTP 500: so")
    assert invoke("webhooks", "show", id, *log, "--json").json["webhook"]["run"] == "o-1"
    assert "HTTP 500: so" in invoke("webhooks", "dead", *log).out
    assert invoke("webhooks", "redrive", id, "--by", "ada", *log, "--json").json["webhook"]["status"] == "retrying"
    assert invoke("webhooks", "drop", id, "--by", "ada", "--why", "old", *log, "--json").json["webhook"]["status"] == "dropped"
    assert invoke("webhooks", "redrive", id, "--by", "ada", *log, "--json").code == 3
    assert invoke("webhooks", "show", "msg-of-nobody", *log, "--json").code == 4


def test_the_settings_are_those_of_the_seed() -> None:
    given = WebhookSettings.of({
        "WORKFLOWS_WEBHOOK_DLQ_ENABLED": "false", "WORKFLOWS_WEBHOOK_DLQ_BASE_SEC": "1", "WORKFLOWS_WEBHOOK_DLQ_MAX_BACKOFF_SEC": "2",
        "WORKFLOWS_WEBHOOK_DLQ_MAX_ATTEMPTS": "3", "WORKFLOWS_WEBHOOK_DLQ_INTERVAL_SEC": "4", "WORKFLOWS_WEBHOOK_DLQ_BATCH": "5",
        "WORKFLOWS_WEBHOOK_DLQ_TIMEOUT_SEC": "6",
    })  # fmt: skip
    read = WebhookSettings(
        enabled=False, base_seconds=1, max_backoff_seconds=2, max_attempts=3, interval_seconds=4, batch=5, timeout_seconds=6
    )

    assert given == read
    assert given.policy.attempts == 1
    assert WebhookSettings.of({}) == WebhookSettings(
        base_seconds=30, max_backoff_seconds=3600, max_attempts=8, interval_seconds=15, batch=25, timeout_seconds=10
    )
    for name in ("ENABLED", "BASE_SEC", "MAX_BACKOFF_SEC", "MAX_ATTEMPTS", "INTERVAL_SEC", "BATCH", "TIMEOUT_SEC"):
        with pytest.raises(perdure.Invalid, match="a setting does not fit"):
            WebhookSettings.of({f"WORKFLOWS_WEBHOOK_DLQ_{name}": "-1"})
