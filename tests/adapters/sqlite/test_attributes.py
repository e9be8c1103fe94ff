"""The index of attributes: used by searches, written only where attributes change, and never believed over the heads."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest

from perdure.adapters.sqlite.heads import found_by
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.adapters.sqlite.writer import Writer
from perdure.eventlog.log import Carrier
from perdure.eventlog.records import EMPTY, Append, Head, Tail, sealed
from perdure.eventlog.search import Condition, Search
from tests.adapters.sqlite.holding import change
from tests.eventlog.making import accepted, content, head

pytestmark = pytest.mark.anyio

RED, BLUE = Condition("colour", "=", "red"), Condition("colour", "=", "blue")


def having(**attributes: object) -> Head:
    return msgspec.structs.replace(head(), attributes=msgspec.json.encode(attributes, order="deterministic"))


def opening(stream: str, head: Head) -> Append:
    return sealed(stream, EMPTY, content(1), 1, head)


@asynccontextmanager
async def three_reds(path: Path) -> AsyncGenerator[Carrier]:
    async with open_sqlite(path) as carrier:
        await accepted(carrier.log, [opening(f"run-{number}", having(colour="red", size=number)) for number in range(3)])
        yield carrier


async def found(carrier: Carrier, *where: Condition) -> list[str]:
    return [summary.stream for summary in await carrier.heads.find(Search(where))]


# -- how it is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "seek"),
    [
        ([RED], "(name=? AND value=? AND stream>? AND stream<?)"),
        ([Condition("size", ">", 1), RED], "(name=? AND value=? AND stream>? AND stream<?)"),
        ([Condition("size", ">", 1)], "(name=? AND value>? AND value<?)"),
        ([Condition("size", "<=", 1)], "(name=? AND value<?)"),
        ([Condition("colour", "<", "x")], "(name=? AND value>? AND value<?)"),
    ],
)
async def test_a_search_seeks_in_the_index_and_scans_nothing(tmp_path: Path, where: list[Condition], seek: str) -> None:
    async with three_reds(tmp_path / "log.db"):
        question, *values = found_by(Search(tuple(where)), "run-0")
        with closing(sqlite3.connect(tmp_path / "log.db")) as db:
            plan = [str(row[3]) for row in db.execute(f"explain query plan {question}", values)]

    assert plan[0] == f"SEARCH attribute USING PRIMARY KEY {seek}"
    assert "SEARCH head USING PRIMARY KEY (stream=?)" in plan
    assert not [line for line in plan if line.startswith("SCAN")]


async def test_further_equalities_are_looked_up_in_the_index_as_well(tmp_path: Path) -> None:
    async with three_reds(tmp_path / "log.db"):
        question, *values = found_by(Search((RED, Condition("size", "=", 2))), "")
        with closing(sqlite3.connect(tmp_path / "log.db")) as db:
            plan = [str(row[3]) for row in db.execute(f"explain query plan {question}", values)]

    assert "SEARCH other USING PRIMARY KEY (name=? AND value=? AND stream=?)" in plan


# -- how it is written ---------------------------------------------------------------------------------------------------


def written(writer: Writer, appends: list[Append]) -> list[str]:
    """The statements on the index that these appends lead to."""
    statements: list[str] = []
    writer._db.set_trace_callback(statements.append)
    assert all(isinstance(answer, Tail) for answer in writer.append(appends))
    writer._db.set_trace_callback(None)
    return [statement.split(" (")[0] for statement in statements if "attribute " in statement]


def test_nothing_is_written_to_the_index_where_attributes_are_as_before(tmp_path: Path) -> None:
    with closing(Writer(tmp_path / "log.db")) as writer:
        plain = msgspec.structs.replace(head(), attributes=b"{}")
        one, two = opening("without", plain), opening("with", having(colour="red", size=1))
        first = written(writer, [one, two])
        same = written(writer, [sealed("without", one.tail, content(2), 1, msgspec.structs.replace(plain, status="done"))])
        again = sealed("with", two.tail, content(2), 1, msgspec.structs.replace(having(colour="red", size=1), status="done"))
        same += written(writer, [again])
        other = written(writer, [sealed("with", again.tail, content(3), 1, having(colour="blue", size=1))])

    assert first == ["insert or replace into attribute"] * 2
    assert same == []
    assert [statement.split()[0] for statement in other] == ["delete", "insert"]


async def test_what_an_earlier_process_wrote_is_known_to_the_next(tmp_path: Path) -> None:
    async with three_reds(tmp_path / "log.db") as carrier:
        summary = await carrier.heads.get("run-1")
    assert summary is not None
    async with open_sqlite(tmp_path / "log.db") as carrier:
        await accepted(carrier.log, [sealed("run-1", summary.tail, content(2), 1, having(colour="blue"))])

        assert await found(carrier, RED) == ["run-0", "run-2"]
        assert await found(carrier, BLUE) == ["run-1"]

    assert verify_file(tmp_path / "log.db").verdict == "intact"


# -- how far it is trusted -----------------------------------------------------------------------------------------------


async def test_a_row_that_says_too_much_leads_to_no_wrong_answer_and_is_found_by_verify(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with three_reds(path):
        pass
    change(path, "insert into attribute (name, value, stream) values ('colour', 'blue', 'run-1')")
    change(path, "insert into attribute (name, value, stream) values ('colour', 'blue', 'nobody')")
    async with open_sqlite(path) as carrier:
        blue = await found(carrier, BLUE)
    report = verify_file(path)

    assert blue == []
    assert [(finding.stream, finding.where) for finding in report.findings] == [("nobody", "table attribute"), ("run-1", "table attribute")]


async def test_a_row_that_is_missing_is_found_by_verify_and_mended_by_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with three_reds(path):
        pass
    change(path, "delete from attribute where stream = 'run-1' and name = 'colour'")
    report = verify_file(path)
    async with open_sqlite(path) as carrier:
        await carrier.heads.rebuild(await carrier.heads.all())
        red = await found(carrier, RED)

    assert [(finding.stream, finding.what.split(":")[0]) for finding in report.findings] == [("run-1", "attribute 'colour'")]
    assert red == ["run-0", "run-1", "run-2"]
    assert verify_file(path).verdict == "intact"
