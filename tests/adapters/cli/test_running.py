"""`perdure run`: started, killed, continued, interrupted, refused."""

from __future__ import annotations

import json
import signal

import pytest

from tests.adapters.cli.calling import Folder, Here


def test_the_result_is_on_stdout_and_all_else_on_stderr(folder: Folder) -> None:
    said = folder.call("run", "flows:greet", "Ada", "2", "--id", "g")

    assert (said.code, said.out) == (0, '"hello Ada hello Ada"\n')
    assert said.err.splitlines() == ["run g  greet  started", "✓ completed"]


def test_a_run_that_fails_says_where_to_people_and_nothing_beside_json(folder: Folder) -> None:
    people, programs = folder.call("run", "flows:fails"), folder.call("run", "flows:fails", "--json")

    assert people.code == programs.code != 0
    assert "Traceback" in people.err
    assert (programs.err, json.loads(programs.out)["status"]) == ("", "failed")


def test_a_run_that_was_killed_goes_on_where_its_log_ends(folder: Folder, here: Here) -> None:
    killed = folder.call("run", "flows:fragile", "--id", "f")
    again = folder.call("run", "flows:fragile", "--id", "f")

    assert killed.code == -signal.SIGKILL
    assert again.code == 0
    assert "goes on" in again.err
    assert folder.attempts() == ["before", "during", "during", "after"]
    assert len(set(folder.keys("during"))) == 1
    assert here("show", "f", "--json").json["recoveries"] == 1


def test_a_run_that_has_ended_answers_again_and_does_nothing(here: Here) -> None:
    first, second = (here("run", "flows.py:greet", "Ada", "--id", "g", "--json") for _ in range(2))

    assert first.json == second.json
    assert here.folder.attempts() == ["hello Ada"]


def test_ctrl_c_leaves_the_run_to_be_continued(folder: Folder, here: Here) -> None:
    with folder.waiting_run("w") as child:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)

    assert (child.returncode, out) == (130, "")
    assert "left to be continued" in err
    assert "perdure run flows:waits --id w" in err

    assert here("signal", "w", "approved", "Ada").code == 0
    assert here("run", "flows.py:waits", "--id", "w").out == '"approved by Ada"\n'


def test_a_run_that_fails_is_exit_code_one_and_says_why(here: Here) -> None:
    said = here("run", "flows.py:fails", "--id", "f")

    assert (said.code, said.out) == (1, "")
    assert "RuntimeError: beyond repair" in said.err
    assert "perdure show f" in said.err


def test_a_failed_run_is_an_answer_in_json(here: Here) -> None:
    said = here("run", "flows.py:fails", "--id", "f", "--json")

    assert said.code == 1
    assert said.json["status"] == "failed"
    assert said.json["failure"]["cause"]["message"] == "beyond repair"


def test_the_id_of_another_run_is_refused(here: Here) -> None:
    here("run", "flows.py:greet", "Ada", "--id", "g")
    said = here("run", "flows.py:greet", "Bob", "--id", "g", "--json")

    assert said.code == 3
    assert "Ada" in said.error["expected"]
    assert "Bob" in said.error["found"]


def test_a_text_stands_for_itself_where_a_str_is_wanted(here: Here) -> None:
    assert here("run", "flows.py:greet", "42", "--json").json["result"] == "hello 42"
    assert here("run", "flows.py:greet", '"Ada"', "--json").json["result"] == "hello Ada"


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["flows.py:greet", "Ada", "often"], 5, {"who": "parameter 'times'", "found": "text that does not parse"}),
        (["flows.py:greet", "Ada", "[1]"], 5, {"expected": "int", "found": "array"}),
        (["flows.py:greet"], 5, {"where": "the call", "found": "(): missing a required argument: 'name'"}),
        (["flows.py:greet", "a", "1", "2"], 5, {"where": "the call"}),
        (["flows.py"], 5, {"found": "no colon"}),
        (["flow.py:greet", "Ada"], 4, {"who": "module 'flow.py'", "instead": "did you mean flows.py?"}),
        (["flow:greet", "Ada"], 4, {"who": "module 'flow'", "instead": "did you mean flows?"}),
        (["flows.py:great", "Ada"], 4, {"who": "workflow 'great'", "found": "no such name", "instead": "did you mean greet?"}),
        (["flows.py:note", "Ada"], 4, {"found": "Step 'note', which is no workflow"}),
        (["json:loads", "Ada"], 4, {"expected": "a function decorated with @workflow"}),
    ],
)
def test_a_wrong_target_or_argument_teaches(here: Here, arguments: list[str], code: int, parts: dict[str, str]) -> None:
    said = here("run", *arguments, "--json")

    assert said.code == code, said.err
    assert {name: said.error[name] for name in parts} == parts
    assert said.error["instead"]
    assert not here.folder.log.exists()


def test_a_module_that_breaks_when_imported_is_named_with_its_line(here: Here) -> None:
    here.folder.change("import perdure\n", "import perdure\n1 / 0\n")
    said = here("run", "flows.py:greet", "Ada", "--json")

    assert said.code == 5
    assert said.error["found"] == "ZeroDivisionError: division by zero"
    assert said.error["where"].endswith("flows.py:7")


def test_code_that_no_longer_fits_the_log_suspends_the_run_with_both_columns(folder: Folder, here: Here) -> None:
    folder.call("run", "flows:fragile", "--id", "f")
    folder.change('[await note("before")', '[await note("earlier")')
    said = here("run", "flows.py:fragile", "--id", "f", "--json")

    assert said.code == 8
    assert said.error["error"] == "diverged"
    assert '"before"' in said.error["expected"]
    assert '"earlier"' in said.error["found"]

    folder.change('[await note("earlier")', '[await note("before")')

    assert here("run", "flows.py:fragile", "--id", "f").code == 0


def test_the_second_writer_is_told_who_holds_the_log(folder: Folder, here: Here) -> None:
    with folder.waiting_run("w") as child:
        said = here("run", "flows.py:greet", "Ada", "--json")
        told = here("signal", "w", "approved", "Ada")

        assert said.code == told.code == 7
        assert f"process {child.pid} " in said.error["who"]
        assert "run flows:waits --id w" in said.error["who"]
        assert f"process {child.pid} " in told.err


def test_reading_goes_on_beside_the_process_that_holds_the_log(folder: Folder, here: Here) -> None:
    with folder.waiting_run("w"):
        reading = [["runs"], ["show", "w"], ["events", "w"], ["replay", "w", "flows"], ["log", "verify"]]

        assert [here(*command).code for command in reading] == [0] * len(reading)


def test_a_log_in_memory_ends_with_the_command(here: Here) -> None:
    assert here("run", "flows.py:greet", "Ada", "--log", "memory:", "--json").json["result"] == "hello Ada"
    assert here("runs", "--log", "memory:").code == 5
    assert not here.folder.log.exists()
