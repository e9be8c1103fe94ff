"""The command line as a whole: its commands, its exit codes, its answers in JSON."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

import perdure
from perdure.adapters.cli.main import app, exit_code_of
from perdure.adapters.cli.shared.exits import exit_codes
from perdure.eventlog.errors import PerdureError
from tests.adapters.cli.calling import SCRIPT, Folder, Here
from tests.house import tree

STEERING = ["signal", "approve", "reject", "skip", "complete", "fail", "pause", "resume", "retry", "upgrade", "cancel", "terminate"]
COMMANDS = [
    "demo", "demo-service", "cluster", "run", "worker", "runs", "show", "events", "artifacts", "approvals", "replay", "check", "log",
    "nats", "webhooks", "definitions", "rag", "serve", "keys", *STEERING,
]  # fmt: skip


def leaves(command: Any = None, name: str = "") -> dict[str, Any]:
    """Every command that does something, by its words."""
    command = command or typer.main.get_command(app)
    inner: dict[str, Any] = getattr(command, "commands", {})
    if not inner:
        return {name: command}
    return {words: leaf for word, sub in inner.items() for words, leaf in leaves(sub, f"{name} {word}".strip()).items()}


def test_the_version_is_that_of_the_package(folder: Folder) -> None:
    assert folder.call("--version").out == f"perdure {perdure.__version__}\n"


def test_help_names_every_command(folder: Folder) -> None:
    said = folder.call("--help")

    assert said.code == 0
    assert [command for command in COMMANDS if f" {command} " not in said.out] == []


def test_the_commands_are_these() -> None:
    groups = {"log", "nats", "webhooks", "keys", "users", "roles", "definitions", "rag"}
    expected = [command for command in COMMANDS if command not in groups]
    expected += ["log verify", "log rebuild", "log id", "log export", "log import", "nats init", "nats check", "nats status"]
    expected += ["webhooks dead", "webhooks show", "webhooks redrive", "webhooks drop"]
    expected += ["rag ingest", "rag embed", "rag list", "rag remove", "rag search"]
    expected += ["keys create", "keys list", "keys rotate", "keys revoke"]
    expected += [f"users {word}" for word in ("create", "list", "give", "take", "disable", "enable")]
    expected += ["roles list", "roles define", "roles drop"]
    expected += [f"definitions {word}" for word in ("validate", "apply", "archive", "list", "show", "diff", "schema", "types", "run")]

    assert sorted(leaves()) == sorted(expected)


@pytest.mark.parametrize("words", sorted(leaves()))
def test_every_command_answers_in_json(words: str) -> None:
    assert "--json" in {option for parameter in leaves()[words].params for option in parameter.opts}


def test_help_loads_no_engine_and_no_database() -> None:
    program = "import sys, perdure.adapters.cli.main; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], cwd=tree.ROOT, capture_output=True, text=True, check=True)

    assert {"perdure.runtime.engine", "aiosqlite", "sqlite3", "rich.live", "rich.table"}.isdisjoint(told.stdout.split())


def test_a_command_is_parsed_the_same_whether_the_others_are_made_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    for word in ("worker", "runs"):
        assert exit_code_of([word, "--help"]) == 0
        told.append(capsys.readouterr().out)
        assert typer.main.get_command(app).main([word, "--help"], prog_name="perdure", standalone_mode=False) in {0, None}
        told.append(capsys.readouterr().out)

    assert told[0] == told[1] != told[2] == told[3]


def test_opening_a_log_loads_nothing_that_only_webhooks_need() -> None:
    program = """
import asyncio, sys, perdure
async def main():
    async with perdure.open("memory:"):
        print(*sys.modules)
asyncio.run(main())
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=tree.ROOT, capture_output=True, text=True, check=True)

    assert "h11" not in told.stdout.split()


def test_the_page_of_the_command_line_lists_the_exit_codes_as_they_are() -> None:
    page = (tree.ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    rows = [[cell.strip().removeprefix("`").removesuffix("`") for cell in line] for line in lines]

    assert rows == [[str(code), name, meaning] for code, (name, meaning) in exit_codes().items()]


def test_every_error_has_an_exit_code_of_its_own() -> None:
    kinds = [kind for kind in PerdureError.__subclasses__() if kind.__module__ == PerdureError.__module__]

    assert {kind.exit_code for kind in kinds} <= set(exit_codes())
    assert len({kind.exit_code for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("arguments", [["nope"], ["run"], ["runs", "--limit", "x"], ["runs", "--status", "fine"]])
def test_a_wrong_command_line_is_usage(here: Here, arguments: list[str]) -> None:
    said = here(*arguments)

    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert said.err


def test_without_a_command_there_is_help_and_still_it_is_usage(here: Here) -> None:
    said = here()

    assert said.code == 2
    assert "COMMAND" in said.out


def test_a_wrong_command_line_is_told_in_json_too(here: Here) -> None:
    said = here("runs", "--status", "fine", "--json")

    assert said.error["error"] == "usage"
    assert "completed" in said.error["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs"], ["show", "rich-1"], ["events", "fails-1"], ["replay", "rich-1"], ["replay", "rich-1", "flows.py"],
        ["log", "verify"], ["log", "rebuild"], ["run", "flows.py:rich", "7", "--id", "rich-1"],
        ["signal", "waits-1", "approved", "Ada"], ["cancel", "waits-1"], ["terminate", "waits-1"], ["pause", "waits-1"],
        ["retry", "fails-1"], ["upgrade", "waits-1", "--to", "1", "--module", "flows.py"],
    ],
)  # fmt: skip
def test_every_answer_in_json_parses(here: Here, arguments: list[str]) -> None:
    here("run", "flows.py:rich", "7", "--id", "rich-1")
    here("run", "flows.py:fails", "--id", "fails-1")
    here.begun(("default", "waits-1", "waits"))
    said = here(*arguments, "--json")

    assert said.code == 0, said.err
    assert said.err == ""
    assert [line for line in said.out.splitlines() if not line.startswith(("{", "["))] == []
    assert said.json if arguments[0] != "events" else said.out.count("\n") > 3


def test_a_fault_of_ours_is_told_without_a_traceback(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(log: str) -> float:
        return 1 / 0

    monkeypatch.setattr("perdure.adapters.cli.shared.places.path_of", fails)
    said = here("runs")

    assert said.code == 70
    assert "ZeroDivisionError" in said.err
    assert "Traceback" not in said.err
    assert "PERDURE_DEBUG=1" in said.err


def test_a_debugger_gets_the_traceback(folder: Folder) -> None:
    said = folder.call("runs", environment={"PERDURE_DEBUG": "1"})

    assert "Traceback" in said.err
    assert "NotFound" in said.err


def test_who_stops_reading_gets_no_complaint(folder: Folder, here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "500", "--id", "long")
    command = [str(SCRIPT), "events", "long"]
    with subprocess.Popen(command, cwd=folder.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        first = child.stdout.readline()
        child.stdout.close()
        complaint = child.stderr.read()

    assert first.startswith('{"version":1,')
    assert (complaint, child.returncode) == ("", 0)
