"""The arguments of `perdure run`: by place or by name, as JSON or as a person would write them; and what is said next keeps the log."""

from __future__ import annotations

import shlex

import pytest

from tests.adapters.cli.calling import Folder, Here

MORE = """

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@workflow
async def typed(at: datetime, id: UUID, amount: Decimal, colour: Colour, day: date | None = None) -> list[str]:
    return [at.isoformat(), str(id), str(amount), colour.name, str(day)]


@workflow
async def by_name(order: str, *, cents: int, at: datetime, note: str = "") -> str:
    return f"{order} {cents} {at.year} {note}"
"""

ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.fixture(autouse=True)
def more_flows(folder: Folder) -> None:
    with (folder.path / "flows.py").open("a", encoding="utf-8") as file:
        file.write(MORE)


def test_what_a_person_would_write_for_a_type_is_taken(here: Here) -> None:
    said = here("run", "flows.py:typed", "2026-01-31T12:00:00Z", ID, "12.50", "green", "2026-02-01", "--json")

    assert said.json["result"] == ["2026-01-31T12:00:00+00:00", ID, "12.50", "GREEN", "2026-02-01"]


def test_json_of_the_same_is_the_same_run(here: Here) -> None:
    here("run", "flows.py:typed", "2026-01-31T12:00:00Z", ID, "12.50", "green", "--id", "t")
    said = here("run", "flows.py:typed", '"2026-01-31T12:00:00Z"', f'"{ID}"', '"12.50"', '"green"', "null", "--id", "t", "--json")

    assert (said.code, said.json["status"]) == (0, "completed")


def test_parameters_that_have_no_place_are_given_by_name(here: Here) -> None:
    said = here("run", "flows.py:by_name", "a=b", "at=2026-01-31T12:00:00Z", "cents=12", "note=x=y", "--json")

    assert said.json["result"] == "a=b 12 2026 x=y"


@pytest.mark.parametrize(
    ("arguments", "found"),
    [(("o-1",), "missing a required argument: 'cents'"), (("o-1", "12", "cents=3"), "too many positional arguments")],
)
def test_a_call_that_does_not_fit_is_told_the_signature_as_it_is(here: Here, arguments: tuple[str, ...], found: str) -> None:
    said = here("run", "flows.py:by_name", *arguments, "--json")

    assert said.code == 5
    assert said.error["expected"] == "(order: str, *, cents: int, at: datetime.datetime, note: str = '')"
    assert said.error["found"].endswith(found)


@pytest.mark.parametrize(
    ("flow", "arguments", "who", "instead"),
    [
        ("typed", ["tomorrow"], "parameter 'at'", "write for example 2026-01-31T12:00:00Z"),
        ("typed", ["2026-01-31T12:00:00Z", "me"], "parameter 'id'", f"write for example {ID}"),
        ("typed", ["2026-01-31T12:00:00Z", ID, "much"], "parameter 'amount'", "write for example 12.50"),
        ("typed", ["2026-01-31T12:00:00Z", ID, "1", "blue"], "parameter 'colour'", "write for example red"),
        ("by_name", ["o-1", "cents=few"], "parameter 'cents'", "write for example 3"),
    ],
)
def test_what_fits_no_type_is_told_with_an_example_of_it(here: Here, flow: str, arguments: list[str], who: str, instead: str) -> None:
    said = here("run", f"flows.py:{flow}", *arguments, "--json")

    assert (said.code, said.error["who"], said.error["instead"]) == (5, who, instead)


def test_an_id_of_a_variable_that_is_not_set_is_refused(here: Here) -> None:
    said = here("run", "flows.py:greet", "Ada", "--id", "", "--json")

    assert (said.code, said.error["who"]) == (5, "--id")
    assert not here.folder.log.exists()


def test_what_is_to_be_typed_next_names_the_log(here: Here) -> None:
    failed = here("run", "flows.py:fails", "--id", "f", "--log", "my shop.db")
    (line,) = [line for line in failed.err.splitlines() if "see what happened" in line]

    again = shlex.split(line.partition(": ")[2])
    assert again == ["perdure", "show", "f", "--log", "my shop.db"]
    assert here(*again[1:], "--json").json["status"] == "failed"

    lost = here("show", "nothing-like-it", "--log", "my shop.db", "--json")
    assert lost.error["instead"] == "list them: perdure runs --log 'my shop.db'"


def test_a_log_of_the_environment_need_not_be_named(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_LOG", "shop.db")

    assert here("run", "flows.py:fails", "--id", "f").err.splitlines()[-1].endswith("perdure show f")
    assert here("run", "flows.py:fails", "--id", "f", "--log", "perdure.db").err.splitlines()[-1].endswith("show f --log perdure.db")
