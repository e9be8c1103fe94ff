"""`perdure check`: by the source alone, by a run in virtual time, and by the recorded runs of a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.cli.calling import Folder, Here

UNSOUND = """
import time
import perdure
from perdure import signal, step, workflow


@step
async def note(what: str) -> str:
    return f"{what} {time.time()}"


def hidden(name: str) -> float:
    return getattr(time, name)()


@workflow
async def stamps(name: str) -> str:
    if name == "late":
        await signal("go", bool)
    await note(name)
    hidden("monotonic")
    return f"{time.time()}"[:1]


@workflow
async def sound(name: str) -> str:
    time.time_ns()  # perdure: allow
    return await note(name)
"""


@pytest.fixture
def shop(here: Here) -> Iterator[Here]:
    """The command line in a folder with a module whose workflows look at clocks."""
    (here.folder.path / "stamping.py").write_text(UNSOUND, encoding="utf-8")
    sys.modules.pop("stamping", None)
    yield here
    sys.modules.pop("stamping", None)


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(UNSOUND.splitlines(), 1) if text in line)


CALL, HIDDEN, ALLOWED = line_of('return f"{time.time()}"'), line_of("getattr(time"), line_of("perdure: allow")


def test_a_sound_module_is_clean(shop: Here) -> None:
    said = shop("check", "flows.py", "--json")

    assert (said.code, said.json["findings"], said.err) == (0, [], "")
    assert said.json["workflows"] == ["greet", "fragile", "rich", "waits", "asks", "fails"]
    assert shop("check", "flows").out.startswith("✓ nothing found  6 workflows of flows")


def test_a_finding_has_an_exit_code_of_its_own_and_all_its_parts(shop: Here) -> None:
    said = shop("check", "stamping.py", "--json")

    assert said.code == 10
    assert said.json["findings"] == [
        {
            "file": "stamping.py",
            "line": CALL,
            "column": 15,
            "function": "stamps",
            "found": "time.time()",
            "why": "a clock shows another time at every replay",
            "instead": "perdure.now()",
            "workflow": "stamps",
        }
    ]
    assert said.json["allowed"] == [f"stamping.py:{ALLOWED}"]
    assert "stamping" not in sys.modules  # nothing was imported


def test_people_get_a_table_with_what_to_write_instead(shop: Here) -> None:
    said = shop("check", "stamping")

    assert said.code == 10
    assert said.out.splitlines()[0].strip() == "stamping.py"
    assert f"{CALL}:15" in said.out
    assert "perdure.now()" in said.out
    assert "✗ 1 finding  2 workflows of stamping, 3 functions read, 1 allowed by a comment" in said.out


def test_a_traced_run_shows_what_the_source_hides(shop: Here) -> None:
    said = shop("check", "stamping.py", "--trace", "stamps a", "--json")

    assert said.code == 10
    assert [(one["line"], one["function"], one["found"]) for one in said.json["findings"]] == [
        (HIDDEN, "hidden", "time.monotonic() was called"),
        (CALL, "stamps", "time.time()"),
    ]
    assert (said.json["runs"], said.json["notes"]) == (["stamps a"], [])


def test_a_traced_run_that_waits_is_told_of_and_gets_its_signal(shop: Here) -> None:
    waits = shop("check", "stamping.py", "--trace", "stamps late", "--days", "0.01", "--json")
    told = shop("check", "stamping.py", "--trace", "stamps late", "--signal", "go=true", "--json")

    assert "has not ended" in waits.json["notes"][0]
    assert HIDDEN not in [one["line"] for one in waits.json["findings"]]
    assert told.json["notes"] == []
    assert HIDDEN in [one["line"] for one in told.json["findings"]]


def test_a_traced_run_that_does_something_else_when_driven_again_says_so(shop: Here) -> None:
    text = UNSOUND.replace('f"{time.time()}"[:1]', 'f"{time.time_ns()}"')
    (shop.folder.path / "stamping.py").write_text(text, encoding="utf-8")
    said = shop("check", "stamping.py", "--trace", "stamps a", "--json")

    assert said.json["notes"] == ["stamps a: driven again from its own log, the code did something else"]


def test_a_traced_run_that_fails_says_so(shop: Here) -> None:
    said = shop("check", "flows.py", "--trace", "fails", "--json")

    assert said.code == 0
    assert "the run failed with StepError" in said.json["notes"][0]


def test_recorded_runs_are_driven_again_and_nothing_is_performed(shop: Here) -> None:
    shop("run", "stamping.py:stamps", "a", "--id", "one")
    shop("run", "stamping.py:sound", "b", "--id", "two")
    shop("run", "flows.py:greet", "c", "--id", "other")
    before = shop.folder.log.read_bytes()
    said = shop("check", "stamping.py", "--log", "perdure.db", "--json")

    assert said.code == 10
    assert sorted(said.json["runs"]) == ["one", "two"]
    assert [(one["line"], one["workflow"]) for one in said.json["findings"]] == [(HIDDEN, "stamps"), (CALL, "stamps")]
    assert said.json["allowed"] == [f"stamping.py:{ALLOWED}"]
    assert shop.folder.log.read_bytes() == before


def test_a_recorded_run_that_the_code_disagrees_with_is_noted(shop: Here) -> None:
    shop("run", "flows.py:greet", "Ada", "--id", "g")
    shop.folder.change('f"hello {name}"', 'f"good day, {name}"')
    sys.modules.pop("flows", None)
    said = shop("check", "flows.py", "--log", "perdure.db", "--json")

    assert said.code == 0
    assert "run 'g': the code of the workflow and the log of the run disagree" in said.json["notes"][0]


def test_a_package_is_read_without_the_packages_beside_it(folder: Folder, here: Here) -> None:
    for place, text in {
        "shop/__init__.py": "",
        "shop/flows/__init__.py": "",
        "shop/flows/order.py": "import perdure\nfrom ..clocks import stamp\nfrom other.clocks import stamp as theirs\n\n"
        "@perdure.workflow\nasync def flow() -> None:\n    stamp()\n    theirs()\n",
        "shop/clocks.py": "import time\ndef stamp(): return time.time()\n",
        "other/__init__.py": "",
        "other/clocks.py": "import time\ndef stamp(): return time.time()\n",
    }.items():
        (folder.path / place).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / place).write_text(text, encoding="utf-8")
    by_name, by_file = here("check", "shop.flows.order", "--json").json, here("check", "shop/flows/order.py", "--json").json

    assert by_name == by_file
    assert [(one["file"], one["line"]) for one in by_name["findings"]] == [(str(Path("shop/clocks.py")), 2)]


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["stampin.py"], 4, "did you mean stamping.py"),
        (["stampin"], 4, "did you mean stamping"),
        (["empty.py"], 4, "name the module that defines the workflow"),
        (["broken.py"], 5, "correct it"),
        (["stamping.py", "--trace", "stamp a"], 4, "did you mean stamps"),
        (["stamping.py", "--trace", "stamps a b"], 5, ""),
        (["stamping.py", "--trace", ""], 5, ""),
        (["stamping.py", "--trace", "sound a", "--signal", "go"], 5, "paid=true"),
        (["stamping.py", "--log", "none.db"], 4, "correct the path"),
    ],
)
def test_what_cannot_be_checked_is_met_with_what_is_near(shop: Here, arguments: list[str], code: int, what: str) -> None:
    (shop.folder.path / "empty.py").write_text("", encoding="utf-8")
    (shop.folder.path / "broken.py").write_text("def (", encoding="utf-8")
    said = shop("check", *arguments, "--json")

    assert said.code == code
    assert what in said.error.get("instead", "")
