"""One process per file, and the second one is told who holds it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from perdure.adapters.sqlite.lock import Holder, locked
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.errors import Unavailable
from tests.adapters.sqlite.holding import another_process

pytestmark = pytest.mark.anyio


async def test_the_second_opener_is_told_who_holds_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with another_process(path) as holder, pytest.raises(Unavailable) as caught:
        async with open_sqlite(path):
            pass

    error = caught.value
    assert error.message == "the log is open in another process"
    assert error.who.startswith(f"process {holder.pid} on {os.uname().nodename} since 20")
    assert error.where == str(path)
    assert error.expected == "one process per file"
    assert error.found == f"{path}-lock is held"
    assert "send commands to the process that holds it" in error.instead
    assert error.exit_code == 7


async def test_a_process_cannot_open_its_own_log_twice(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db"):
        with pytest.raises(Unavailable, match="this process has the log open already") as caught:
            async with open_sqlite(tmp_path / "log.db"):
                pass

    assert caught.value.who.startswith(f"process {os.getpid()} on")
    assert "use the runtime that is open" in caught.value.instead


async def test_another_name_for_the_file_finds_the_same_lock(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "log.db")
    async with open_sqlite(tmp_path / "log.db"):
        with pytest.raises(Unavailable, match="has the log open already"):
            async with open_sqlite(link):
                pass


async def test_the_lock_of_a_killed_process_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with another_process(path, appends=3) as holder:
        holder.kill()
        holder.wait()

        async with open_sqlite(path) as carrier:
            assert (carrier.epoch, len((await carrier.log.load({"workflow/default/one": 0}))["workflow/default/one"])) == (2, 3)


def test_a_forked_child_does_not_keep_the_lock_alive(tmp_path: Path) -> None:
    path, (come, go), (born, bear) = tmp_path / "log.db", os.pipe(), os.pipe()
    with locked(path):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.write(bear, b"!")
            os.read(come, 1)  # until the parent closes its end
            os._exit(0)
        os.read(born, 1)
    try:
        with locked(path):
            pass
    finally:
        for end in (go, come, born, bear):
            os.close(end)
        os.waitpid(child, 0)


def test_a_holder_that_has_not_yet_written_itself_down_is_named_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with locked(path):
        os.truncate(f"{path}-lock", 0)
        with pytest.raises(Unavailable, match="a process that is just starting"), locked(path):
            pass


def test_the_lock_file_holds_pid_host_time_and_command(tmp_path: Path) -> None:
    with locked(tmp_path / "log.db"):
        written = msgspec.json.decode((tmp_path / "log.db-lock").read_bytes(), type=Holder)

    assert (written.pid, written.host) == (os.getpid(), os.uname().nodename)
    assert written.command
