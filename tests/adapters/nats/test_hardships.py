"""What befalls a connection and a clock that served well: each has a defined end, and a word that says what to do."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure import workflow
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.wire.connection import Connection, connect
from perdure.adapters.system.clock import SystemClock
from perdure.adapters.system.nats_server import cluster_settings, serving
from perdure.eventlog.errors import Refused
from perdure.eventlog.log import Log
from perdure.eventlog.records import EMPTY, Append, Record, sealed
from tests import machine
from tests.adapters.nats.server import NatsServer, running
from tests.eventlog.making import PATIENCE, STREAM, accepted, grown, row_of

pytestmark = pytest.mark.anyio

LAME = 'lame_duck_duration: "30s"\nlame_duck_grace_period: "20s"'
"""Twenty seconds in which it takes nobody new and cuts nobody."""

LARGE, HOW_MANY = 900_000, 17
IMPATIENT = 'max_payload: 8MB\nwrite_deadline: "200ms"'
"""So long a client may take nothing of what is sent to it; of a large log it asks for 16 MB at once, more than any socket keeps."""

HOUR = 3600


async def until(true: Callable[[], bool]) -> None:
    """Return once it holds."""
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for is in other processes
            await anyio.sleep(0.01)


async def test_a_server_that_is_about_to_end_is_left_for_another_before_it_cuts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    servers: list[NatsServer] = []
    for name, settings in zip(("one", "two"), cluster_settings(("one", "two")), strict=True):
        (tmp_path / name).mkdir()
        servers.append(NatsServer(machine.nats_server(), tmp_path / name, f"{settings}\n{LAME}", jetstream=False))
    with serving(servers):
        async with connect([server.url for server in servers]) as connection:
            ending = next(server for server in servers if port_of(connection) == server.port)
            os.kill(ending.pid, signal.SIGUSR2)  # the lame-duck mode of nats-server
            await until(lambda: connection.client.is_connected and port_of(connection) not in (0, ending.port))
        ending.kill()  # it would wait until its grace is over

    assert "the server is about to shut down" in caplog.text


def port_of(connection: Connection) -> int:
    url = connection.client.connected_url
    return 0 if url is None else url.port or 0


async def test_a_reader_that_falls_behind_is_cut_off_and_misses_nothing(tmp_path: Path) -> None:
    """Its loop is blocked while much is written; the server calls it a slow consumer and hangs up."""
    appends = in_a_row([b"x" * LARGE] * HOW_MANY)
    with running(tmp_path, IMPATIENT) as server:
        async with connect(server.url) as connection, JetStreamLog.open(connection, "shop") as log:
            seen: list[Record] = []
            async with anyio.create_task_group() as group:
                group.start_soon(follow_into, log, seen)
                await accepted(log, appends[:1])
                await until(lambda: len(seen) == 1)
                writer = threading.Thread(target=anyio.run, args=(partial(write, server.url, tmp_path / "server.log", appends[1:]),))
                writer.start()
                writer.join()  # on purpose: the loop of the reader stands still, until the server has had enough
                await until(lambda: len(seen) == HOW_MANY)
                group.cancel_scope.cancel()

        assert [record.digest for record in seen] == [append.tail.digest for append in appends]


def in_a_row(datas: list[bytes]) -> list[Append]:
    tail, found = EMPTY, list[Append]()
    for data in datas:
        found.append(sealed(STREAM, tail, data, 1))
        tail = found[-1].tail
    return found


async def follow_into(log: JetStreamLog, seen: list[Record]) -> None:
    async for record in log.follow():
        seen.append(record)  # noqa: PERF401 - it never ends, and is read meanwhile


async def write(url: str, said: Path, appends: list[Append]) -> None:
    async with connect(url) as connection, JetStreamLog.open(connection, "shop") as log:
        for append in appends:
            await accepted(log, [append])
    await until(lambda: "Slow Consumer" in said.read_text())


async def test_a_permission_that_is_withdrawn_meanwhile_is_refused_by_its_name(tmp_path: Path) -> None:
    def roles(denied: str) -> str:
        return f'authorization {{ users = [ {{ user: u, password: p, permissions: {{ publish: {{ allow: ">", deny: "{denied}" }} }} }} ] }}'

    with running(tmp_path, roles("nothing")) as server:
        async with open_nats(f"{server.url.replace('//', '//u:p@')}/shop") as carrier:
            tail = await grown(carrier.log, STREAM, 1)
            config = server.config.read_text()
            server.config.write_text(config.replace(roles("nothing"), roles("perdure.shop.log.>")))
            os.kill(server.pid, signal.SIGHUP)
            await until(lambda: "Reloaded server configuration" in (tmp_path / "server.log").read_text())
            with pytest.raises(Refused) as caught, anyio.fail_after(PATIENCE):
                await carrier.log.append(row_of(STREAM, 1, after=tail, first=2))
            server.config.write_text(config)
            os.kill(server.pid, signal.SIGHUP)
            with anyio.fail_after(PATIENCE):
                await accepted_in_the_end(carrier.log, row_of(STREAM, 1, after=tail, first=2))

    assert caught.value.where.startswith("subject perdure.shop.log.")
    assert "allow `perdure.<namespace>.>`" in caught.value.instead


async def accepted_in_the_end(log: Log, appends: list[Append]) -> None:
    """The server says when it has read its configuration; when it acts by it, it does not say."""
    while True:
        try:
            await accepted(log, appends)
        except Refused:
            await anyio.sleep(0.01)
        else:
            return


@workflow
async def naps() -> str:
    await perdure.sleep(timedelta(seconds=HOUR))
    return "awake"


@workflow
async def waits() -> str:
    return await perdure.signal("go", str)


async def test_a_wall_clock_that_jumps_holds_timers_of_its_worker_and_nothing_else(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    true, ahead = SystemClock.now, [0]

    def jumping(clock: SystemClock) -> int:
        return true(clock) + ahead[0]

    monkeypatch.setattr(SystemClock, "now", jumping)
    async with perdure.open(f"{nats_server.url}/{uuid4().hex}", workflows=[naps, waits]) as runtime:
        asleep, waiting = await runtime.start(naps, id="n"), await runtime.start(waits, id="w")
        ahead[0] = 2 * HOUR * 1_000_000
        await runtime.alarm.sweep()
        await waiting.signal("go", "on")
        assert await waiting.result(within=timedelta(seconds=PATIENCE)) == "on"
        assert await asleep.status() == "running"
        runtime.confirm_clock()
        await runtime.alarm.sweep()
        assert await asleep.result(within=timedelta(seconds=PATIENCE)) == "awake"

    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line for line in said if "jumped by +7200.0 s" in line and "confirm_clock" in line]
    assert not [line for line in said if "taken for dead" in line or "another owner" in line]
