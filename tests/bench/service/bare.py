"""The bare limit of a service: one route of litestar on uvicorn that makes one durable SQLite commit, by one writer thread, in groups.

`python -m tests.bench.service.bare FILE` prints where it listens. No key is looked at, no run is begun, nothing is chained or checked.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import uvloop
from litestar import Litestar, post

from tests.bench.bare import Writer, encode
from tests.bench.measuring import settle_collector


class Start(msgspec.Struct, forbid_unknown_fields=True):
    """What our own route is sent, too."""

    workflow: str
    arguments: list[str]


class Started(msgspec.Struct):
    run: str
    status: str
    workflow: str


async def main(path: Path) -> None:
    loop, numbers = asyncio.get_running_loop(), count()

    def wake(waiting: list[Any]) -> None:
        for one in waiting:
            one.set_result(None)

    writer = Writer(path, lambda waiting: loop.call_soon_threadsafe(wake, waiting))

    @post("/runs")
    async def start(data: Start) -> Started:
        run, durable = f"r-{next(numbers)}", loop.create_future()
        writer.inbox.put([((f"run/default/{run}", 1, encode(data)), durable)])
        await durable
        return Started(run, "completed", data.workflow)

    writer.start()
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    app = Litestar([start], openapi_config=None, logging_config=None)
    await uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off")).serve([listening])
    writer.stop()


if __name__ == "__main__":
    settle_collector()
    uvloop.run(main(Path(sys.argv[1])))
