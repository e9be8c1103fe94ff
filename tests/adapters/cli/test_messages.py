"""`perdure signal`, `cancel` and `terminate`: recorded when the command returns, acted upon when the run is continued."""

from __future__ import annotations

from tests.adapters.cli.calling import Here


def test_a_signal_without_the_code_is_kept_until_the_code_is_there(here: Here) -> None:
    with here.folder.waiting_run("w"):
        pass
    told = here("signal", "w", "approved", "Ada", "--json")

    assert told.json["told"] == "signal"
    assert told.json["status"] == "suspended"
    assert here("run", "flows.py:waits", "--id", "w", "--json").json["result"] == "approved by Ada"


def test_a_signal_with_the_code_drives_the_run_and_performs_nothing(here: Here) -> None:
    with here.folder.waiting_run("w"):
        pass
    told = here("signal", "w", "approved", '"Ada"', "--module", "flows.py", "--json")
    waiting = here("show", "w", "--json").json["waiting"]

    assert told.json["status"] == "running"
    assert [(step["what"], step["name"]) for step in waiting] == [("step", "note")]
    assert not (here.folder.path / "attempts.txt").exists()
    assert here("run", "flows.py:waits", "--id", "w", "--json").json["result"] == "approved by Ada"


def test_a_signal_that_the_code_cannot_take_is_no_crash(here: Here) -> None:
    with here.folder.waiting_run("w"):
        pass

    assert here("signal", "w", "approved", "[1]", "--module", "flows.py").code == 0
    assert here("run", "flows.py:waits", "--id", "w").code == 1


def test_a_cancelled_run_ends_when_it_is_continued(here: Here) -> None:
    with here.folder.waiting_run("w"):
        pass
    here("cancel", "w", "--reason", "changed my mind")
    said = here("run", "flows.py:waits", "--id", "w")

    assert said.code == 1
    assert "the run was cancelled" in said.err
    assert "cancel asked changed my mind" in " ".join(here("show", "w").out.split())


def test_a_terminated_run_has_ended_at_once(here: Here) -> None:
    with here.folder.waiting_run("w"):
        pass

    assert here("terminate", "w", "--json").json["status"] == "terminated"
    assert here("runs", "--json").json[0]["status"] == "terminated"
    assert here("run", "flows.py:waits", "--id", "w").code == 1


def test_a_run_that_has_ended_refuses_messages(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    said = here("signal", "g", "approved", "--json")

    assert said.code == 3
    assert said.error["found"] == "it is completed"


def test_a_paused_run_stands_still_until_it_is_resumed(here: Here) -> None:
    with here.folder.waiting_run("w"):
        pass

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
    with here.folder.waiting_run("w"):
        pass

    assert here("upgrade", "w", "--to", "7", "--module", "flows.py", "--json").error["error"] == "refused"
