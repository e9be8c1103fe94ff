"""Rule 6: a key of an event is for ever, and a file says in its format number what it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Raw

import perdure
from perdure import Invalid
from perdure.runtime.run.events import CODEC, RunCompleted, RunStarted, StepCompleted, StepScheduled

WRITTEN = (
    b'{"at":5,"epoch":1,"events":['
    b'{"type":"RunStarted","workflow":"order","version":1,"input":[1],"seed":7},'
    b'{"type":"StepScheduled","id":"0","name":"charge","args":[1]},'
    b'{"type":"StepCompleted","id":"0","attempt":1,"value":"ok","started":3,"ended":4,"worker":"w"},'
    b'{"type":"RunCompleted","result":"ok"}]}'
)
"""What the first release writes."""


def test_what_was_written_once_is_read_and_written_alike() -> None:
    events = [
        RunStarted("order", 1, Raw(b"[1]"), 7),
        StepScheduled("0", "charge", Raw(b"[1]")),
        StepCompleted("0", 1, Raw(b'"ok"'), 3, 4, "w"),
        RunCompleted(Raw(b'"ok"')),
    ]

    assert CODEC.encode(5, 1, events) == WRITTEN
    assert CODEC.encode(5, 1, CODEC.decode(WRITTEN).events) == WRITTEN


@pytest.mark.anyio
async def test_a_file_of_another_format_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    async with perdure.open(f"sqlite:///{path}"):
        pass
    with closing(sqlite3.connect(path)) as file:
        file.execute("pragma user_version = 999")
    before = path.read_bytes()
    with pytest.raises(Invalid, match="format"):
        async with perdure.open(f"sqlite:///{path}"):
            pass

    assert path.read_bytes() == before
