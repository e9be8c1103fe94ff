"""What the writer does when the disk is full, a write fails, or its memory of tails is not to be trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.adapters.sqlite import writer as writer_module
from perdure.adapters.sqlite.anchor import Anchor, anchored
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.adapters.sqlite.writer import Writer
from perdure.eventlog.errors import Conflict, Corrupt, Unavailable
from perdure.eventlog.records import EMPTY, sealed
from tests.adapters.sqlite.holding import change
from tests.eventlog.making import STREAM, content, head, row_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_a_full_disk_refuses_and_heals(path: Path) -> None:
    """SQLite itself says that the database is full, as it does when the disk is."""
    writer = Writer(path)
    small, large = sealed(STREAM, EMPTY, content(1), 1), sealed("workflow/default/large", EMPTY, b"x" * 1_000_000, 1)
    writer.append([small])
    pages = writer._db.execute("pragma page_count").fetchone()[0]
    writer._db.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(Unavailable, match="the disk is full") as caught:
        writer.append([large, sealed(STREAM, small.tail, content(2), 1)])
    writer._db.execute("pragma max_page_count = 1000000")
    answers = writer.append([large, sealed(STREAM, small.tail, content(2), 1)])
    writer.close()

    assert "SQLITE_FULL" in caught.value.found
    assert [type(answer).__name__ for answer in answers] == ["Tail", "Tail"]
    assert (verify_file(path).verdict, verify_file(path).records) == ("intact", 3)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from perdure.adapters.sqlite.writer import Writer
from perdure.eventlog.errors import Unavailable
from perdure.eventlog.records import EMPTY, sealed
writer, tail = Writer(Path(sys.argv[1])), EMPTY
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
for number in range(1000):
    try:
        (tail,) = writer.append([sealed("workflow/default/one", tail, b"x" * 3000, 1)])
    except Unavailable as error:
        print(tail.version, tail.digest.hex(), error.message, sep="|")
        break
for _ in range(3):
    try:
        writer.append([sealed("workflow/default/one", tail, b"x", 1)])
    except Unavailable as error:
        print(error.message)
"""


def test_a_write_that_fails_shuts_the_log_and_loses_nothing(path: Path) -> None:
    """The kernel refuses to let the files grow; what was acknowledged before is there after a restart."""
    ended = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True, timeout=60)
    first, *later = ended.stdout.splitlines()
    version, digest, message = first.split("|")
    writer = Writer(path)
    answers = writer.append([sealed(STREAM, writer._find_tails([STREAM])[STREAM], content(1), 1)])
    writer.close()

    assert message == "the log is shut after a failed write"
    assert later == [message] * 3
    assert int(version) > 10
    assert not isinstance(answers[0], Conflict)
    report = verify_file(path)
    assert (report.verdict, report.records) == ("intact", int(version) + 1)
    assert bytes.fromhex(digest) != EMPTY.digest


def test_a_failed_sync_of_the_anchor_shuts_the_log(path: Path) -> None:
    writer = Writer(path)
    writer.append([sealed(STREAM, EMPTY, content(1), 1)])
    writer._anchor._sync_at = 0.0
    file, (pipe, end) = os.dup(writer._anchor._file), os.pipe()
    os.dup2(pipe, writer._anchor._file)  # a pipe cannot be synced: fsync fails for real
    writer.idle()
    os.dup2(file, writer._anchor._file)
    for descriptor in (file, pipe, end):
        os.close(descriptor)

    for _ in range(2):
        with pytest.raises(Unavailable, match="shut after a failed write") as caught:
            writer.append([sealed("workflow/default/two", EMPTY, content(1), 1)])
        assert "restart the process" in caught.value.instead
    writer.close()


def test_after_an_unknown_outcome_the_disk_is_asked(path: Path) -> None:
    """The commit happened, its anchor did not: the answer was an error, and the next writer sees the record."""
    writer = Writer(path)
    first, second = row_of(STREAM, 2)
    real = writer._note_place
    writer._note_place = lambda: writer._give_up(Unavailable("lost on the way"))  # type: ignore[method-assign]
    writer.append([first])
    writer._note_place = real  # type: ignore[method-assign]

    answers = writer.append([sealed(STREAM, EMPTY, content(9), 1), second])
    writer.close()

    assert [type(answer).__name__ for answer in answers] == ["Conflict", "Tail"]
    mark = anchored(path)
    assert mark is not None
    assert mark.position == 2


def test_an_error_within_the_transaction_leaves_no_trace(path: Path) -> None:
    writer = Writer(path)
    (first,) = row_of(STREAM, 1)
    with pytest.raises(UnicodeEncodeError):
        writer.append([first, sealed("workflow/default/two", EMPTY, content(1), 1, head(status="\ud800"))])
    again = writer.append([first])
    writer.close()

    assert again == [first.tail]
    assert verify_file(path).records == 1


def test_a_forgotten_tail_only_costs_a_query(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "TAILS_MAX", 10)
    writer = Writer(path)
    rows = [row_of(f"workflow/default/{number}", 3) for number in range(30)]
    for step in range(3):
        for start in range(0, 30, 4):
            writer.append([row[step] for row in rows[start : start + 4]])
            assert len(writer._tails) <= 10
    late = writer.append([row[0] for row in rows])
    writer.close()

    assert all(isinstance(answer, Conflict) for answer in late)
    assert (verify_file(path).verdict, verify_file(path).records) == ("intact", 90)


def test_the_commit_is_synced_in_full(path: Path) -> None:
    writer = Writer(path)
    settings = [writer._db.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "mmap_size")]
    writer.close()

    assert settings == ["wal", 2, 0]


def test_a_gap_in_the_positions_behind_the_anchor_is_corrupt(path: Path) -> None:
    writer = Writer(path)
    writer.append(row_of(STREAM, 3))
    writer.close()
    change(path, "update record set position = 9 where position = 3")
    opened = Anchor(path)
    opened.close()

    with pytest.raises(Corrupt):
        Writer(path)


@pytest.mark.anyio
async def test_a_closed_log_says_so(path: Path) -> None:
    async with open_sqlite(path) as carrier:
        pass

    with pytest.raises(Unavailable, match="the log is closed"):
        await carrier.log.append(row_of(STREAM, 1))
    with pytest.raises(Unavailable, match="the log is closed"):
        await carrier.log.load({STREAM: 0})
