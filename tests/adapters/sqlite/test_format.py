"""A file is opened only if it is a log of ours, in a format that this release knows, and whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from perdure.adapters.sqlite.anchor import anchor_path
from perdure.adapters.sqlite.faults import explained
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.schema import FORMAT, connect_reader
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.errors import Corrupt, Invalid, NotFound, PerdureError
from perdure.eventlog.log import Carrier
from tests.adapters.sqlite.holding import change, made

pytestmark = pytest.mark.anyio


async def refusal(path: Path | str, kind: type[PerdureError]) -> PerdureError:
    with pytest.raises(kind) as caught:
        async with open_sqlite(path):
            pass
    return caught.value


async def test_each_opening_is_counted(tmp_path: Path) -> None:
    epochs: list[int] = []
    for _ in range(3):
        async with open_sqlite(tmp_path / "log.db") as carrier:
            epochs.append(carrier.epoch)

    assert epochs == [1, 2, 3]


async def test_the_carrier_says_that_it_survives_a_power_cut(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        assert isinstance(carrier, Carrier)
        assert carrier.durability == "power"


async def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path)
    change(path, f"pragma user_version = {FORMAT + 1}")
    before = path.read_bytes()

    error = await refusal(path, Invalid)

    assert (error.where, error.expected, error.found) == (str(path), f"format {FORMAT}", f"format {FORMAT + 1}")
    assert "use the release that wrote it" in error.instead
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    change(path, "create table songs (title text)")
    before = path.read_bytes()

    error = await refusal(path, Invalid)

    assert error.message == "the file is a database of another program"
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"print('hello')\n", b"not a database at all, but long enough to have a header" * 40])
async def test_a_file_that_never_was_a_log_is_no_log_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "k.py"
    path.write_bytes(content)

    error = await refusal(path, Invalid)

    assert (error.message, error.where, error.exit_code) == ("the file is no perdure log", str(path), 5)
    with pytest.raises(Invalid, match="no perdure log"):
        connect_reader(path)
    with pytest.raises(Invalid, match="no perdure log"):
        verify_file(path)
    assert path.read_bytes() == content


async def test_an_empty_file_may_be_a_log_that_is_just_being_made(tmp_path: Path) -> None:
    """Who watches for it, as the demo does, finds nothing in it yet, and looks again."""
    path = tmp_path / "log.db"
    path.touch()
    connect_reader(path).close()

    await made(path, 3)
    connect_reader(path).close()
    assert verify_file(path).findings == []


@pytest.mark.parametrize(
    "injury", ["anchor gone, a bit flipped", "anchor gone, half the name of the format", "all of the header overwritten"]
)
async def test_a_log_whose_beginning_is_damaged_stays_a_damaged_log(tmp_path: Path, injury: str) -> None:
    path = tmp_path / "log.db"
    await made(path, 200)
    content = bytearray(path.read_bytes())
    if injury == "anchor gone, a bit flipped":
        content[0] ^= 1
    elif injury == "anchor gone, half the name of the format":
        content[:8] = bytes(8)
    else:
        content[:100] = b"x" * 100
    path.write_bytes(content)
    if injury.startswith("anchor gone"):
        anchor_path(path).unlink()

    error = await refusal(path, Corrupt)

    assert (error.where, error.exit_code) == (str(path), 9)
    assert "file is not a database" in error.found


async def test_a_truncated_file_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path, 200)
    path.write_bytes(path.read_bytes()[: 3 * 4096])

    error = await refusal(path, Corrupt)

    assert error.where == str(path)


async def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    error = await refusal(tmp_path / "nowhere" / "log.db", NotFound)

    assert error.expected == f"a directory {tmp_path / 'nowhere'}"


async def test_a_directory_is_no_log(tmp_path: Path) -> None:
    error = await refusal(tmp_path, Invalid)

    assert error.instead == f"name a file in it, such as {tmp_path / 'perdure.db'}"


async def test_memory_is_no_file() -> None:
    assert "log in memory" in (await refusal(":memory:", Invalid)).instead


async def test_an_opening_that_is_cancelled_leaves_the_log_free(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with open_sqlite(tmp_path / "log.db"):
            pass

    async with open_sqlite(tmp_path / "log.db") as carrier:
        assert (scope.cancelled_caught, carrier.epoch) == (True, 2)


async def test_the_file_reads_well_without_us(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path, 2)

    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("select position, stream, first, last, data from record").fetchall()
        meta = dict(db.execute("select key, value from meta").fetchall())

    assert rows[0] == (1, "workflow/default/one", 1, 1, b'{"at":1001,"epoch":1,"events":[{"type":"Counted","number":1}]}')
    assert meta == {"format": FORMAT, "epoch": 1, "epoch again": 1}


@pytest.mark.parametrize("key", ["epoch", "epoch again"])
async def test_a_damaged_count_of_openings_turns_no_run_away_but_says_so(tmp_path: Path, key: str) -> None:
    path = tmp_path / "log.db"
    await made(path)
    change(path, "update meta set value = value + 64 where key = ?", key)

    assert "number of openings" in (await refusal(path, Corrupt)).found


@pytest.mark.parametrize("place", [18, 19, 47])
async def test_a_header_that_sqlite_would_only_call_read_only_or_unsupported_is_damage(tmp_path: Path, place: int) -> None:
    path = tmp_path / "log.db"
    await made(path)
    raw = bytearray(path.read_bytes())
    raw[place] ^= 0x10
    path.write_bytes(raw)

    assert (await refusal(path, Corrupt)).message == "the log file is damaged"


@pytest.mark.parametrize("change_of_shape", ["rename to records", "rename column digest to digert"])
async def test_a_schema_that_is_no_longer_ours_is_damage(tmp_path: Path, change_of_shape: str) -> None:
    path = tmp_path / "log.db"
    await made(path)
    change(path, f"alter table record {change_of_shape}")

    assert "no such" in (await refusal(path, Corrupt)).found


async def test_a_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"head_due on head", b"head_due on\xf2head"))

    assert "a schema that is no text" in (await refusal(path, Corrupt)).found


async def test_a_count_of_openings_that_is_no_number_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path)
    change(path, "update meta set value = 'many' where key = 'epoch'")

    assert "number of openings" in (await refusal(path, Corrupt)).found


def test_a_broken_constraint_is_damage_and_not_a_disk_out_of_reach(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("create table meta (value integer not null)")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            db.execute("insert into meta values (null)")

    assert isinstance(explained(caught.value, tmp_path), Corrupt)
