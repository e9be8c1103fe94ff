"""A URL that a run was started with is told how the run ended, whatever happens in between."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from msgspec import Raw

import perdure
from perdure.adapters.compose import deciding
from perdure.eventlog.errors import Refused
from perdure.runtime.requests import StartRun
from tests.adapters.webhooks.receiver import Receiver, Request

FAILING = True


@perdure.workflow
async def ends(how: str) -> str:
    if how == "fails" and FAILING:
        raise ValueError("no such order")
    if how == "waits":
        await perdure.signal("go")
    return "y" * 40_000 if how == "says much" else "done"


def said(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.body)
    assert body["type"] == f"run.{body['data']['status']}"
    data: dict[str, Any] = body["data"]
    return data


async def came(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    return [said(request) for request in await anyio.to_thread.run_sync(receiver.wait, count)]


@pytest.mark.anyio
async def test_every_way_to_end_is_told(receiver: Receiver, tmp_path: Path) -> None:
    url = f"{receiver.url}/200"
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[ends]) as runtime:
        await runtime.start(ends, "at once", id="completed", on_end=url)
        await runtime.start(ends, "fails", id="failed", on_end=url)
        await runtime.start(ends, "waits", id="timed_out", on_end=url, deadline=timedelta(milliseconds=1))
        cancelled = await runtime.start(ends, "waits", id="cancelled", on_end=url)
        terminated = await runtime.start(ends, "waits", id="terminated", on_end=url)
        await cancelled.cancel("not now")
        await terminated.terminate("enough")
        told = {data["run"]: data for data in await came(receiver, 5)}

    assert {run: data["status"] for run, data in told.items()} == {run: run for run in told}
    assert told["completed"]["result"] == "done"
    assert told["failed"]["error"] == {"type": "ValueError", "message": "no such order"}
    assert (told["cancelled"]["reason"], told["terminated"]["reason"]) == ("not now", "enough")
    assert all(request.headers["x-run-id"] and request.headers["x-workflow-id"] == "ends" for request in receiver.requests)


@pytest.mark.anyio
async def test_a_large_result_is_named_and_not_sent(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[ends]) as runtime:
        await runtime.start(ends, "says much", on_end=f"{receiver.url}/200")
        [data] = await came(receiver, 1)

    assert data["large"]["size"] == 40_002
    assert "result" not in data


@pytest.mark.anyio
async def test_a_retried_run_and_one_in_its_place_tell_of_their_ends_under_ids_of_their_own(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{receiver.url}/200"
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[ends]) as runtime:
        run = await runtime.start(ends, "fails", id="r", on_end=url)
        await came(receiver, 1)
        monkeypatch.setitem(globals(), "FAILING", 0)
        await run.retry()
        await came(receiver, 2)
        again = await runtime.start(ends, "fails", id="r", on_end=url, reuse="always")
        await again.result()
        told = await came(receiver, 3)

    assert [data["status"] for data in told] == ["failed", "completed", "completed"]
    assert len({request.id for request in receiver.requests}) == 3


@pytest.mark.anyio
async def test_an_end_that_nobody_could_tell_of_is_told_by_who_serves_the_log_next(receiver: Receiver, tmp_path: Path) -> None:
    log = f"sqlite:///{tmp_path}/shop.db"
    async with deciding(log, [ends]) as nobody:
        await nobody.do(StartRun(workflow="ends", arguments=Raw(b'["waits"]'), run="r", on_end=f"{receiver.url}/200"))
        await nobody.run("r").terminate("while nobody serves it")
        head = await nobody.carrier.heads.get("run/default/r")

    assert head is not None
    assert head.head.wake_at == 0, "something must still be done for the run"
    async with perdure.open(log, workflows=[ends]) as runtime:
        [data] = await came(receiver, 1)
        assert data["status"] == "terminated"
        await anyio.to_thread.run_sync(receiver.wait, 1)
        while (found := await runtime.carrier.heads.get("run/default/r")) is None or found.head.wake_at == 0:  # noqa: ASYNC110 - rings no bell
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_a_start_that_names_a_host_that_may_not_be_called_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db", workflows=[ends]) as runtime:
        with pytest.raises(Refused, match="this host is not called"):
            await runtime.start(ends, "at once", id="r", on_end="http://10.0.0.1/")

        assert (await runtime.runs()).runs == []


@pytest.mark.anyio
async def test_the_end_of_a_workflow_that_is_data_is_told_with_its_name(receiver: Receiver, tmp_path: Path) -> None:
    definition = {"name": "order", "steps": [{"id": "a", "type": "log", "config": {"message": "done"}}]}
    async with perdure.open(f"sqlite:///{tmp_path}/shop.db") as runtime:
        await runtime.start_definition(definition, id="r", on_end=f"{receiver.url}/200")
        [data] = await came(receiver, 1)

    assert (data["definition"], data["workflow"]) == ("order", "perdure.definition")
    assert receiver.requests[0].headers["x-workflow-id"] == "order"
