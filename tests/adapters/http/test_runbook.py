"""Runbook 004: each of its commands, as it stands there, against the service, on a log of any kind."""

from __future__ import annotations

import os
import subprocess
from uuid import uuid4

import anyio.to_thread
import pytest
from msgspec import Raw

import perdure
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from perdure.runtime.run.notices import Deliver
from tests.adapters.http.shop import FLOWS, SECRET, order
from tests.house import pages, tree

PAGE = tree.ROOT / "docs" / "runbooks" / "004.md"


def said(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    checked = command.replace("curl ", "curl --silent --show-error --fail-with-body --max-time 20 ", 1)
    return subprocess.run(["bash", "-c", checked], capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.anyio
@pytest.mark.parametrize("carrier", ["memory", "nats"])
async def test_every_command_of_the_runbook_is_answered(carrier: str, request: pytest.FixtureRequest) -> None:
    commands = [command for _, command in pages.commands(PAGE)]
    log = "memory:" if carrier == "memory" else f"{request.getfixturevalue('nats_server').url}/runbook-{uuid4().hex[:8]}"
    async with perdure.open(log, workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", ["operator", "author"])
        run = await runtime.start(order, 7, id="order-o-2")
        await runtime.actor("delivery", "msg-1").ask(Deliver("https://127.0.0.1/", "order.paid", Raw(b"{}")))
        async with served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as address:
            environment = {"API_KEY": made.text, "RUN_ID": run.id, "WEBHOOK_ID": "msg-1", "no_proxy": "127.0.0.1"}
            for command in commands:
                asked = command.replace("http://127.0.0.1:8000", address)
                told = await anyio.to_thread.run_sync(said, asked, environment)
                assert told.returncode == 0, f"{command}\n{told.stdout}{told.stderr}"
        assert await run.result() == "7 to Elm Street"
    assert len(commands) > 25
