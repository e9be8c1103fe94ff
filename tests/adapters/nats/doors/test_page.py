"""The page of subjects says what the code does: its tables, its programs, its schemas and its permissions are held to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError as NoAnswerInTime

import perdure
from perdure.adapters.nats.doors import schemas
from perdure.adapters.nats.doors.answers import AnyAnswer
from perdure.adapters.nats.doors.subjects import START_HEADERS, VERBS
from perdure.eventlog.memory import MemoryLog
from tests.adapters.nats.doors.shop import customer, order, shop
from tests.adapters.nats.server import NatsServer, running
from tests.house import pages, tree
from tests.laws.node import PATIENCE, named

PAGE = tree.ROOT / "docs" / "nats_subjects.md"
TEXT = PAGE.read_text(encoding="utf-8")
PROGRAMS = [pytest.param(block, id=block.where) for block in pages.blocks(PAGE) if "nats" in block.marks]


def rows(first: str) -> Iterator[list[str]]:
    """The cells of the table whose first heading this is."""
    _, _, rest = TEXT.partition(f"| {first} |")
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_every_subject_is_on_the_page() -> None:
    bodies = {"options": "options", "value": "any JSON", "arguments": "arguments"}
    known = {f"`run.<id>.{verb}{'.<name>' * known.named}`": bodies[known.body] for verb, known in VERBS.items()}

    shown = {subject: body for subject, body, _ in rows("subject, behind `perdure.<namespace>.`")}
    assert shown == {"`start.<workflow>`": "arguments", **known}


def test_every_header_and_every_status_is_on_the_page() -> None:
    statuses = [kind.__struct_config__.tag for kind in AnyAnswer.__args__]

    assert [header.strip("`") for header, _, _ in rows("header")] == list(dict.fromkeys([*list(START_HEADERS)]))
    assert [status.strip("`") for status, _ in rows("status")] == statuses


def test_the_schemas_are_those_of_the_code() -> None:
    """Written anew by `python -m perdure.adapters.nats.doors.schemas`."""
    assert (tree.ROOT / "docs" / "nats_schemas.json").read_text(encoding="utf-8") == schemas.text()


def test_every_part_that_a_schema_names_is_there() -> None:
    known = schemas.schemas()["$defs"]

    assert set(re.findall(r'"#/\$defs/([^"]+)"', schemas.text())) <= set(known)
    assert {"Answer", "Request", "Reply", "Events", "start.body", *(f"{verb}.body" for verb in VERBS)} <= set(known)


@pytest.mark.anyio
@pytest.mark.parametrize("block", PROGRAMS)
async def test_a_program_of_the_page_runs_beside_a_worker(nats_server: NatsServer, block: pages.Block, tmp_path: Path) -> None:
    log = MemoryLog()
    namespace = tmp_path.name.replace("_", "-")
    source = tmp_path / "shown.py"
    text = block.text.replace("4222", str(nats_server.port)).replace("perdure.shop.", f"perdure.{namespace}.")
    source.write_text(text.replace("/shop", f"/{namespace}"), encoding="utf-8")
    async with shop(nats_server.url, namespace, log=log):
        told = await anyio.to_thread.run_sync(
            lambda: subprocess.run([sys.executable, "-W", "error", str(source)], capture_output=True, text=True, check=False, timeout=60)
        )

    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] in {"ann: ready", "eve: ready", "bob: ready"}
    assert [stream for stream in log.streams if named(log, stream.rpartition("/")[2])[-1] == "RunCompleted"]


@pytest.mark.anyio
async def test_the_roles_of_the_page_may_do_what_they_are_for_and_no_more(tmp_path: Path) -> None:
    (roles,) = [block.text for block in pages.blocks(PAGE) if "authorization" in block.text]
    with running(tmp_path, roles) as server:
        as_user = server.url.replace("//", "//{}@").format
        async with shop(as_user("worker:w"), "shop") as runtime:
            run = await runtime.start(order, "ann", id="o-1")
            async with customer(as_user("till:t"), "shop") as till:
                assert (await till.ask("start.order", ["bob"], Perdure_Run_Id="o-2"))["status"] == "applied"
                assert (await till.ask("run.o-2.signal.word", "x"))["status"] == "applied"
                await denied(till.client, "perdure.shop.run.o-1.cancel")
                await denied(till.client, "perdure.shop.request.cancel")
            async with customer(as_user("viewer:v"), "shop") as viewer:
                assert (await viewer.ask("run.o-1.look"))["status"] == "applied"
                assert (await viewer.ask("run.o-1.query.numbers"))["result"] == []
                await denied(viewer.client, "perdure.shop.run.o-1.signal.word")
            async with customer(as_user("approver:a"), "shop") as approver:
                assert (await approver.ask("run.o-1.approve", {"by": "a", "digest": "d", "name": "none"}))["status"] == "refused"
                await denied(approver.client, "perdure.shop.run.o-1.signal.word")
            async with perdure.connect(as_user("client:c") + "/shop") as client:
                await client.run("o-1").signal("word", "y")
            assert await run.result(within=PATIENCE) == "ann: y"


async def denied(client: Client, subject: str) -> None:
    """The server drops it; its asker hears nothing."""
    with pytest.raises(NoAnswerInTime):
        await client.request(subject, json.dumps({}).encode(), timeout=0.3)


