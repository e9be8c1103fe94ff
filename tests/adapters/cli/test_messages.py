"""`perdure signal`, `cancel` and `terminate`: recorded when the command returns, acted upon when the run is continued."""

from __future__ import annotations

import json
from typing import Any

from tests.adapters.cli.calling import Here

MENDED = """
from pathlib import Path

from perdure import step, workflow

HERE = Path(__file__).parent


@step
def count() -> int:
    with (HERE / "counted.txt").open("a") as file:
        file.write("one ")
    return len((HERE / "counted.txt").read_text().split())


@step
def undo() -> None: ...


@step
def weigh() -> str:
    if not (HERE / "mended").exists():
        raise RuntimeError("the scales are broken")
    return "weighed"


@workflow
async def sell() -> list[int | str]:
    first = await count()
    try:
        return [first, await weigh()]
    except Exception:
        await undo()
        raise
"""


def test_a_signal_without_the_code_is_kept_until_the_code_is_there(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    told = here("signal", "w", "approved", "Ada", "--json")

    assert told.json["told"] == "signal"
    assert told.json["status"] == "suspended"
    assert here("run", "flows.py:waits", "--id", "w", "--json").json["result"] == "approved by Ada"


def test_a_signal_with_the_code_drives_the_run_and_performs_nothing(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    told = here("signal", "w", "approved", '"Ada"', "--module", "flows.py", "--json")
    waiting = here("show", "w", "--json").json["waiting"]

    assert told.json["status"] == "running"
    assert [(step["what"], step["name"]) for step in waiting] == [("step", "note")]
    assert not (here.folder.path / "attempts.txt").exists()
    assert here("run", "flows.py:waits", "--id", "w", "--json").json["result"] == "approved by Ada"


def test_a_signal_that_the_code_cannot_take_is_no_crash(here: Here) -> None:
    here.begun(("default", "w", "waits"))

    assert here("signal", "w", "approved", "[1]", "--module", "flows.py").code == 0
    assert here("run", "flows.py:waits", "--id", "w").code == 1


def test_a_cancelled_run_ends_when_it_is_continued(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    here("cancel", "w", "--reason", "changed my mind")
    said = here("run", "flows.py:waits", "--id", "w")

    assert said.code == 1
    assert "the run was cancelled" in said.err
    assert "cancel asked changed my mind" in " ".join(here("show", "w").out.split())


def test_a_terminated_run_has_ended_at_once(here: Here) -> None:
    here.begun(("default", "w", "waits"))

    assert here("terminate", "w", "--json").json["status"] == "terminated"
    assert here("runs", "--json").json[0]["status"] == "terminated"
    assert here("run", "flows.py:waits", "--id", "w").code == 1


def test_a_run_that_has_ended_refuses_messages(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    said = here("signal", "g", "approved", "--json")

    assert said.code == 3
    assert said.error["found"] == "it is completed"


def test_a_paused_run_stands_still_until_it_is_resumed(here: Here) -> None:
    here.begun(("default", "w", "waits"))

    assert here("pause", "w", "--reason", "lunch", "--json").json["status"] == "paused"

    here("signal", "w", "approved", "Ada")

    assert here("runs", "--status", "paused", "--json").json[0]["run"] == "w"

    here("resume", "w", "--module", "flows.py")

    assert here("run", "flows.py:waits", "--id", "w", "--json").json["result"] == "approved by Ada"
    assert "paused lunch" in " ".join(here("show", "w").out.split())


def test_a_failed_run_is_retried_and_goes_on_when_it_is_continued(here: Here) -> None:
    here("run", "flows.py:fails", "--id", "f")

    assert here("retry", "f", "--json").json["told"] == "retry"
    assert "retry asked" in here("show", "f").out
    assert here("run", "flows.py:fails", "--id", "f").code == 1


def test_an_upgrade_needs_a_version_that_is_there(here: Here) -> None:
    here.begun(("default", "w", "waits"))

    assert here("upgrade", "w", "--to", "7", "--module", "flows.py", "--json").error["error"] == "refused"


def test_a_retry_from_a_version_does_again_what_came_behind_it(here: Here) -> None:
    (here.folder.path / "mended.py").write_text(MENDED, encoding="utf-8")
    assert here("run", "mended.py:sell", "--id", "s").code == 1
    refused = here("retry", "s", "--module", "mended.py", "--json")
    assert (refused.code, refused.error["error"]) == (3, "refused")

    (here.folder.path / "mended").touch()
    events = [json.loads(line) for line in here("events", "s").out.splitlines()]
    (wanted,) = [str(event["version"]) for event in events if event["type"] == "StepScheduled" and event["name"] == "weigh"]
    assert here("retry", "s", "--from-version", wanted, "--module", "mended.py", "--json").json["status"] == "running"
    assert here("run", "mended.py:sell", "--id", "s", "--json").json["result"] == [1, "weighed"]

    assert here("retry", "s", "--from-version", "1", "--json").code == 3


def test_a_message_under_one_name_counts_once(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    first, again = (here("signal", "w", "approved", "Ada", "--command", "till/7", "--json").json for _ in range(2))

    assert first["version"] == again["version"]
    assert here("events", "w").out.count("SignalReceived") == 1


def test_a_large_value_goes_to_a_blob_as_through_every_door(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    here("signal", "w", "approved", "x" * 200_000, "--module", "flows.py")
    signal = next(line for line in here("events", "w").out.splitlines() if "SignalReceived" in line)

    assert len(signal) < 1000
    assert "sha256" in signal or "digest" in signal
    assert here("run", "flows.py:waits", "--id", "w", "--json").json["status"] == "completed"


def test_a_run_of_another_tenant_is_told_and_shown_by_its_tenant(here: Here) -> None:
    here.begun(("acme", "w", "waits"), ("default", "w", "waits"))

    assert here("pause", "w", "--tenant", "acme", "--json").json["status"] == "paused"
    assert here("show", "w", "--tenant", "acme", "--json").json["status"] == "paused"
    assert here("show", "w", "--json").json["status"] == "running"
    assert {(line["tenant"], line["status"]) for line in here("runs", "--json").json} == {("acme", "paused"), ("default", "running")}
    assert "acme/w" in here("runs").out
    lost = here("pause", "x", "--tenant", "acme", "--json")
    assert (lost.code, lost.error["instead"]) == (4, "list them: perdure runs")


def test_the_dead_letters_are_listed(here: Here) -> None:
    here.begun(("default", "w", "waits"), ("default", "f", "fails"), ("default", "s", "waits"), ended=["f"])
    here("signal", "s", "approved", "Ada")
    dead: list[Any] = here("runs", "--dead", "--json").json

    assert {(line["run"], line["status"]) for line in dead} == {("f", "failed"), ("s", "suspended")}
    assert here("runs", "--dead", "--status", "failed").code == 2
