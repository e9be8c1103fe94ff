"""`perdure definitions`: checked, kept, shown, compared and run from the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure.runtime.definitions.model import StepSpec
from perdure.runtime.definitions.results import Scope
from perdure.runtime.definitions.walking import Walk
from tests.adapters.cli.calling import Here

CODE = """
from msgspec import Struct
from perdure import StepType, step

class Greeting(Struct):
    whom: str

class Greet(StepType[Greeting]):
    name, config = "greet", Greeting
    async def perform(self, config):
        return f"hello {config.whom}"

greet = Greet()

@step
async def shout(text: str) -> str:
    return text.upper()
"""

ORDER = """name: order
inputs: {whom: {type: string}}
steps:
- {id: a, type: greet, config: {whom: "${ inputs.whom }"}}
- {id: b, type: python, config: {step: shout, arguments: ["${ steps.a.output }"]}}
"""


@pytest.fixture
def shop(here: Here) -> Here:
    (here.folder.path / "code.yaml").write_text(ORDER, encoding="utf-8")
    (here.folder.path / "shop.py").write_text(CODE, encoding="utf-8")
    return here


def test_all_faults_are_told_with_their_lines(shop: Here) -> None:
    told = shop("definitions", "validate", "code.yaml")

    assert told.code == 10
    assert "code.yaml:4: there is no such type of step" in told.out
    assert "code.yaml:5: there is no such step" in told.out
    assert shop("definitions", "validate", "code.yaml", "--module", "shop.py").code == 0
    assert shop("definitions", "validate", "nothing.yaml").code == 4


def test_a_definition_is_kept_compared_and_run(shop: Here) -> None:
    apply = "definitions", "apply", "code.yaml", "--module", "shop.py", "--log", "shop.db"
    first = json.loads(shop(*apply, "--by", "Ada", "--json").out)
    (shop.folder.path / "code.yaml").write_text(ORDER.replace("inputs.whom }", "inputs.whom }!"), encoding="utf-8")
    compared = shop("definitions", "diff", "order", "code.yaml", "--log", "shop.db")
    second = shop(*apply, "--expected", "0")
    third = shop(*apply, "--expected", "1")
    ran = shop("definitions", "run", "order", "--module", "shop.py", "--inputs", '{"whom": "Ada"}', "--id", "r", "--log", "shop.db")
    listed = json.loads(shop("definitions", "list", "--log", "shop.db", "--json").out)
    shown = shop("definitions", "show", "order", "--version", "1", "--log", "shop.db")

    assert (first["version"], first["by"], compared.code) == (1, "Ada", 10)
    assert [line for line in compared.out.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}] == [
        "-    whom: ${ inputs.whom }", "+    whom: ${ inputs.whom }!"
    ]  # fmt: skip
    assert (second.code, third.code) == (3, 0)
    assert json.loads(ran.out) == "HELLO ADA!"
    assert [(line["name"], line["version"]) for line in listed["definitions"]] == [("order", 2)]
    assert "whom: ${ inputs.whom }\n" in shown.out
    assert shop("definitions", "diff", "order@2", "code.yaml", "--log", "shop.db").code == 0


def test_an_archived_one_begins_no_more(shop: Here) -> None:
    shop("definitions", "apply", "code.yaml", "--module", "shop.py", "--log", "shop.db")
    archived = shop("definitions", "archive", "order", "--log", "shop.db")
    ran = shop("definitions", "run", "order", "--module", "shop.py", "--inputs", '{"whom": "Ada"}', "--log", "shop.db")

    assert (archived.code, ran.code) == (0, 3)
    assert "no definitions" in shop("definitions", "list", "--log", "shop.db").out


def test_schema_and_types_are_told(shop: Here) -> None:
    schema = json.loads(shop("definitions", "schema").out)
    types = json.loads(shop("definitions", "types", "--module", "shop.py", "--json").out)

    assert schema["$defs"]["Definition"]["required"] == ["name", "steps"]
    assert {"greet", "map", "wait_for_approval"} <= {line["name"] for line in types}


PLAIN = """name: plain
inputs: {n: {type: integer}}
steps:
- {id: a, type: set, config: {twice: "${ inputs.n * 2 }"}}
- {id: b, type: branch, config: {cases: [{when: steps.a.output.twice > 4, steps: [{id: c, type: log, config: {message: much}}]}]}}
"""


def test_a_run_of_a_definition_is_driven_again_without_a_module(shop: Here) -> None:
    (shop.folder.path / "plain.yaml").write_text(PLAIN, encoding="utf-8")
    assert shop("definitions", "run", "plain.yaml", "--inputs", '{"n": 3}', "--id", "p", "--log", "shop.db").code == 0

    told = shop("replay", "p", "--log", "shop.db", "--json")

    assert (told.code, told.json["agrees"], told.json["workflow"]) == (0, True, "perdure.definition")


def test_code_that_a_definition_names_has_to_be_named_for_its_replay(shop: Here) -> None:
    run = "definitions", "run", "code.yaml", "--inputs", '{"whom": "Ada"}', "--id", "o", "--log", "shop.db", "--module", "shop.py"
    assert shop(*run).code == 0
    (shop.folder.path / "other.py").write_text("import perdure\n", encoding="utf-8")
    replay = "replay", "o", "--log", "shop.db"

    assert "agrees" not in shop(*replay, "--json").json
    assert "no code was given" in shop(*replay).out
    assert shop(*replay, "shop.py", "--json").json["agrees"] is True
    other = shop(*replay, "other.py", "--json")
    assert (other.code, other.error["expected"]) == (4, "step 'shout'")


def test_a_check_drives_the_recorded_runs_of_definitions_as_it_does_those_of_code(shop: Here) -> None:
    (shop.folder.path / "plain.yaml").write_text(PLAIN, encoding="utf-8")
    (shop.folder.path / "other.py").write_text("import perdure\n\n@perdure.step\nasync def rest() -> None: ...\n", encoding="utf-8")
    run = "definitions", "run", "code.yaml", "--inputs", '{"whom": "Ada"}', "--log", "shop.db", "--module", "shop.py"
    assert [shop(*run, "--id", id).code for id in ("o-1", "o-2")] == [0, 0]
    assert shop("definitions", "run", "plain.yaml", "--inputs", '{"n": 3}', "--id", "p", "--log", "shop.db").code == 0
    before = (shop.folder.path / "shop.db").read_bytes()

    mine, others = shop("check", "shop.py", "--log", "shop.db", "--json"), shop("check", "other.py", "--log", "shop.db", "--json")

    assert (mine.code, mine.json["findings"], mine.json["notes"]) == (0, [], [])
    assert sorted(mine.json["runs"]) == ["o-1", "o-2", "p"]
    assert (others.code, others.json["runs"]) == (0, ["p"])
    assert others.json["notes"] == ["step 'shout' is not in other.py, so 2 runs of definitions that name it were not driven"]
    assert (shop.folder.path / "shop.db").read_bytes() == before
    assert shop("check", "shop.py").code == 4


def test_a_check_says_where_todays_interpreter_disagrees_with_a_recorded_run(shop: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder.path / "plain.yaml").write_text(PLAIN, encoding="utf-8")
    assert shop("definitions", "run", "plain.yaml", "--inputs", '{"n": 3}', "--id", "p", "--log", "shop.db").code == 0
    walked = Walk.through

    async def backwards(self: Walk, steps: list[StepSpec], scope: Scope) -> Any:
        return await walked(self, steps[::-1], scope)

    monkeypatch.setattr(Walk, "through", backwards)
    said = shop("check", "shop.py", "--log", "shop.db", "--json")

    assert said.json["runs"] == ["p"]
    assert said.json["notes"][0].startswith("run 'p': the code of the workflow and the log of the run disagree")


def test_a_check_drives_runs_with_large_values(shop: Here) -> None:
    text = PLAIN.replace("steps.a.output.twice > 4", "size(inputs.text) > 4").replace("{n: {", "{text: {type: string}, n: {")
    (shop.folder.path / "plain.yaml").write_text(text, encoding="utf-8")
    inputs = json.dumps({"n": 3, "text": "x" * 200_000})
    ran = shop("definitions", "run", "plain.yaml", "--inputs", inputs, "--id", "p", "--log", "shop.db")
    said = shop("check", "shop.py", "--log", "shop.db", "--json")

    assert (ran.code, said.code, said.json["runs"], said.json["notes"]) == (0, 0, ["p"], [])
