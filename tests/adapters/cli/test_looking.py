"""Questions to a log: lists, timelines, events, replays, and the file as a whole."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from perdure.adapters.cli.looking.drawing import ago, lasting
from tests.adapters.cli.calling import Here


def test_runs_come_newest_first_and_can_be_chosen(here: Here) -> None:
    for name in ("a", "b"):
        here("run", "flows.py:greet", name, "--id", name)
    here("run", "flows.py:fails", "--id", "f")

    assert [run["run"] for run in here("runs", "--json").json] == ["f", "b", "a"]
    assert [run["run"] for run in here("runs", "--status", "failed", "--json").json] == ["f"]
    assert [run["run"] for run in here("runs", "--limit", "1", "--json").json] == ["f"]


def test_a_list_for_people_holds_what_a_run_says_of_itself(here: Here) -> None:
    here("run", "flows.py:rich", "7", "--id", "r")
    said = here("runs").out.splitlines()

    assert said[0].split() == ["run", "workflow", "status", "started", "changed", "attributes"]
    assert said[1].split()[:3] == ["r", "rich", "completed"]
    assert '{"number":7}' in said[1]


def test_runs_are_found_by_what_they_say_of_themselves(here: Here) -> None:
    for number in (3, 7, 8):
        here("run", "flows.py:rich", str(number), "--id", f"r{number}")
    here("run", "flows.py:greet", "Ada", "--id", "g")
    wrong = here("runs", "--where", "number > 3 or number = 1", "--json")

    assert [run["run"] for run in here("runs", "--where", "number > 3 and number <= 8", "--json").json] == ["r8", "r7"]
    assert [run["run"] for run in here("runs", "--where", "number >= 3", "--limit", "1", "--json").json] == ["r8"]
    assert here("runs", "--where", "number = 7", "--status", "failed", "--json").json == []
    assert (wrong.code, wrong.error["where"], wrong.error["instead"]) == (5, "character 12", "search once for each: there is no 'or'")


def test_a_timeline_tells_what_people_were_asked_and_what_became_of_it(here: Here) -> None:
    here("run", "flows.py:asks", "--id", "a")
    said = here("show", "a").out

    assert "ship 0 shows" in said
    assert "expired" in said
    assert "digest" in said


@pytest.mark.parametrize("command", ["show", "events", "replay", "signal", "pause", "resume", "retry", "cancel", "terminate"])
def test_a_run_that_does_not_exist_is_met_with_what_is_near(here: Here, command: str) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "order-1")
    said = here(command, "oder-1", *(["go"] if command == "signal" else []), "--json")

    assert said.code == 4
    assert said.error["who"] == "run 'oder-1'"
    assert said.error["instead"] == "did you mean order-1?"


def test_a_log_that_does_not_exist_is_met_with_those_beside_it(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--log", "shop.db")
    said = here("runs", "--json")

    assert said.code == 4
    assert "shop.db" in said.error["found"]


def test_a_log_of_a_scheme_that_nobody_serves_is_refused(here: Here) -> None:
    said = here("runs", "--log", "postgres://shop", "--json")

    assert said.code == 5
    assert said.error["found"] == "postgres:"


def test_events_are_lines_with_version_time_and_type(here: Here) -> None:
    here("run", "flows.py:rich", "7", "--id", "r")
    events = [json.loads(line) for line in here("events", "r").out.splitlines()]

    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "RunStarted"
    assert events[-1]["type"] == "RunCompleted"
    assert {"version", "at", "type", "epoch"} <= events[3].keys()


def test_the_version_of_an_event_is_its_own_and_that_of_its_workflow_is_beside_it(here: Here) -> None:
    newer = "from perdure import workflow\n\n@workflow(version=2)\nasync def newer() -> str:\n    return 'new'\n"
    (here.folder.path / "newer.py").write_text(newer, encoding="utf-8")
    here("run", "newer.py:newer", "--id", "n")
    events = [json.loads(line) for line in here("events", "n", "--json").out.splitlines()]

    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[0]["workflow_version"]) == ("RunStarted", 2)


def test_the_timeline_tells_steps_retries_timers_and_recoveries(here: Here) -> None:
    here("run", "flows.py:rich", "7", "--id", "r")
    here.folder.call("run", "flows:fragile", "--id", "f")  # which kills its process
    here("run", "flows.py:fragile", "--id", "f")
    rich, fragile = (here("show", run, "--json").json for run in ("r", "f"))

    assert [moment["what"] for moment in rich["moments"]] == [
        "started", "attributes", "log", "retry", "retry", "step", "timer", "timer fired", "step", "step", "completed",
    ]  # fmt: skip
    assert (rich["steps"], rich["retries"], rich["recoveries"]) == (3, 2, 0)
    assert [moment["what"] for moment in fragile["moments"]] == ["started", "step", "recovered", "step", "step", "completed"]
    assert "→" not in here("show", "f").out


def test_a_long_timeline_is_cut_in_front_and_says_so(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "20", "--id", "g")
    said = here("show", "g", "--limit", "5").out

    assert "17 earlier lines; --limit 0 shows them" in said
    assert said.count("✓ step") == 3
    assert here("show", "g", "--limit", "0").out.count("✓ step") == 20


def test_an_open_run_shows_what_it_waits_for(here: Here) -> None:
    bounded = "async def waits() -> str:\n    async with timeout(timedelta(hours=1)):\n        return await signal('x', str)\n"
    here.folder.change("async def waits() -> str:\n", bounded)
    with here.folder.waiting_run("w"):
        shown = here("show", "w", "--json").json

    assert shown["status"] == "running"
    assert [waiting["what"] for waiting in shown["waiting"]] == ["timer"]
    assert shown["waiting"][0]["until"] == pytest.approx(3600, abs=1)


def test_a_replay_has_the_same_digests_with_and_without_the_code(here: Here) -> None:
    here("run", "flows.py:rich", "7", "--id", "r")
    folded, driven = here("replay", "r", "--json").json, here("replay", "r", "flows.py", "--json").json

    assert "agrees" not in folded
    assert driven.pop("agrees") is True
    assert folded == driven
    assert len(folded["state_digest"]) == len(folded["content_digest"]) == 64


def test_a_replay_of_changed_code_shows_both_columns(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    here.folder.change('f"hello {name}"', 'f"good day, {name}"')
    said = here("replay", "g", "flows.py")

    assert said.code == 8
    assert "code and log disagree" in said.out
    assert '["hello Ada"]' in said.out
    assert '["good day, Ada"]' in said.out
    assert here("replay", "g", "flows.py", "--json").json["agrees"] is False


def test_a_replay_with_the_wrong_module_says_what_it_holds(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    (here.folder.path / "other.py").write_text("import perdure\n\n@perdure.workflow\nasync def another() -> None: ...\n", encoding="utf-8")
    (here.folder.path / "empty.py").write_text("", encoding="utf-8")
    said = here("replay", "g", "other.py", "--json")

    assert said.code == 4
    assert said.error["expected"] == "workflow 'greet' version 1"
    assert said.error["found"] == "another 1"
    assert here("replay", "g", "empty.py").code == 4


def test_an_intact_log_is_verified(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    said = here("log", "verify", "--json")

    assert (said.code, said.json["verdict"], said.json["findings"]) == (0, "intact", [])
    assert here("log", "verify").out.startswith("✓ intact")


def test_a_changed_record_is_found_by_verify_and_stops_its_readers(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    here("run", "flows.py:greet", "Bob", "--id", "b")
    with closing(sqlite3.connect(here.folder.log)) as db, db:
        db.execute("update record set data = replace(data, 'hello Ada', 'hello Eve') where stream = 'run/default/g'")
    verified, shown = here("log", "verify"), here("show", "g", "--json")

    assert verified.code == shown.code == 9
    assert "run/default/g" in verified.out
    assert shown.error["error"] == "corrupt"
    assert here("show", "b").code == 0


def test_a_file_that_is_no_log_any_more_is_corrupt_at_every_door(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    here.folder.log.write_bytes(b"not a database" * 1000)
    commands = [["runs"], ["show", "g"], ["log", "verify"], ["run", "flows.py:greet", "Ada", "--id", "g"]]

    assert [here(*command).code for command in commands] == [9] * len(commands)


def test_a_damaged_index_is_folded_anew(here: Here) -> None:
    here("run", "flows.py:rich", "7", "--id", "r")
    here("run", "flows.py:fails", "--id", "f")
    before = here("runs", "--json").json
    with closing(sqlite3.connect(here.folder.log)) as db, db:
        db.execute("update head set status = 'running' where stream = 'run/default/f'")
        db.execute("delete from head where stream = 'run/default/r'")
    damaged = here("runs", "--json")
    rebuilt = here("log", "rebuild", "--json")

    assert damaged.code == 9
    assert "log rebuild" in damaged.error["instead"]
    assert rebuilt.json["heads"] == 2
    assert here("runs", "--json").json == before
    assert here("log", "verify").code == 0


def test_durations_are_told_in_one_unit() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)

    told = [ago(now, now - timedelta(seconds=seconds)) for seconds in (-5, 3, 90, 7200, 200_000)]

    assert told == ["0 s ago", "3 s ago", "2 min ago", "2 h ago", "2 days ago"]
    assert [lasting(s) for s in (0.0012, 3, 600)] == ["1.2 ms", "3.00 s", "10.0 min"]
