"""Runbook 004: each of its commands, as it stands there, against the service."""

from __future__ import annotations

import os
import subprocess

import anyio.to_thread
import pytest

import perdure
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.http.shop import FLOWS, SECRET, order
from tests.house import pages, tree

PAGE = tree.ROOT / "docs" / "runbooks" / "004.md"


def said(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    checked = command.replace("curl ", "curl --silent --show-error --fail-with-body --max-time 20 ", 1)
    return subprocess.run(["bash", "-c", checked], capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.anyio
async def test_every_command_of_the_runbook_is_answered() -> None:
    commands = [command for _, command in pages.commands(PAGE)]
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", ["operator", "starter"])
        run = await runtime.start(order, 7, id="order-o-2")
        async with served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as address:
            environment = {"API_KEY": made.text, "RUN_ID": run.id, "no_proxy": "127.0.0.1"}
            for command in commands:
                asked = command.replace("http://127.0.0.1:8000", address)
                told = await anyio.to_thread.run_sync(said, asked, environment)
                assert told.returncode == 0, f"{command}\n{told.stdout}{told.stderr}"
        assert await run.result() == "7 to Elm Street"
    assert len(commands) > 10
