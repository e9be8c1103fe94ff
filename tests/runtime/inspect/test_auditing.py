"""In production: driven code that opens a file, a socket or a process is warned of, once for each place."""

# ruff: noqa: ASYNC221, ASYNC240 - what these workflows do wrong is the point

from __future__ import annotations

import importlib
import inspect
import logging
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import perdure
from perdure.runtime.inspect.checking.auditing import warn_of_io
from perdure.runtime.settings.node import Settings
from tests.runtime.run.driving import done, fed


@perdure.step
async def reads() -> str:
    return Path(__file__).read_text(encoding="utf-8")[:1]


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the hook warns of; it stays for the rest of the process, as Python's hooks do."""
    warn_of_io()
    caplog.set_level(logging.WARNING, "perdure")
    return caplog


def test_a_file_that_a_workflow_opens_is_warned_of_once(warned: pytest.LogCaptureFixture) -> None:
    @perdure.workflow
    async def opens() -> None:
        for _ in range(3):
            Path(__file__).read_bytes()
        await reads()

    fed(opens, done("0", "a"))
    fed(opens, done("0", "a"))

    place = f"{__file__}:{inspect.getsourcelines(opens.function)[1] + 3} in test_a_file_that_a_workflow_opens_is_warned_of_once.opens"
    told = f"workflow 'opens' opens a file at {place}; it happens again at every replay: do it in a step"
    assert [record.getMessage() for record in warned.records] == [told]


def test_sockets_and_processes_are_warned_of(warned: pytest.LogCaptureFixture) -> None:
    @perdure.workflow
    async def calls() -> None:
        socket.socket().close()
        subprocess.run(["true"], check=True)

    fed(calls)

    assert [record.getMessage().split(" at ")[0] for record in warned.records] == [
        "workflow 'calls' opens a socket",
        "workflow 'calls' starts a process",
    ]


def test_nothing_else_is_warned_of(warned: pytest.LogCaptureFixture) -> None:
    @perdure.workflow
    async def sound() -> None:
        importlib.import_module("colorsys")  # it reads a file, and changes nothing
        time.time()
        Path(__file__).read_bytes()  # perdure: allow

    Path(__file__).read_bytes()
    fed(sound)

    assert warned.records == []


def test_the_setting_puts_the_hook_in_and_nothing_else_does(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, logging, os, sys, perdure
        hooks = []
        sys.addaudithook, real = lambda hook: (hooks.append(hook), real(hook)), sys.addaudithook
        logging.basicConfig(format="%(message)s")

        @perdure.step
        async def reads() -> int:
            return len(open(__file__).read())

        @perdure.workflow
        async def opens() -> int:
            return len(open(__file__).read()) + await reads()

        async def main() -> None:
            for _ in range(2):
                async with perdure.open("memory:", workflows=[opens]) as runtime:
                    await (await runtime.start(opens)).result()
            print(len(hooks))

        asyncio.run(main())
    """)
    (tmp_path / "program.py").write_text(program, encoding="utf-8")

    def told(**environment: str) -> tuple[str, list[str]]:
        run = [sys.executable, str(tmp_path / "program.py")]
        said = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment, timeout=60)
        return said.stdout.strip(), said.stderr.splitlines()

    assert told() == ("0", [])
    hooks, warnings = told(WATCH_WORKFLOWS="1")
    assert hooks == "1"
    assert [line.split(" in ")[0] for line in warnings] == [f"workflow 'opens' opens a file at {tmp_path / 'program.py'}:13"]


@pytest.mark.parametrize(("text", "watches"), [("1", True), ("0", False), ("", False)])
def test_the_environment_says_whether_workflows_are_watched(text: str, watches: bool) -> None:
    assert Settings.of({"WATCH_WORKFLOWS": text}).watch_workflows is watches


def test_a_word_that_is_neither_yes_nor_no_is_invalid() -> None:
    with pytest.raises(perdure.Invalid) as caught:
        Settings.of({"WATCH_WORKFLOWS": "perhaps"})

    assert (caught.value.who, caught.value.expected) == ("WATCH_WORKFLOWS", "true or false")
