"""Claim http-raw: bytes that are no requests, and clients that are slow, against a real `perdure serve`, while good clients go on."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from tests.adapters.http.battering import GOOD_WIRES, Battered, batter, good_traffic, slow_clients
from tests.adapters.http.malformed import START, drawn
from tests.adapters.http.processes import Serving, made_key, serving
from tests.bench.service.load import Aim
from tests.proofs.frame import Figures, proof

REQUESTS, SLOW = 2000, 200
PATIENCE = 50.0
"""Longer than the service waits for headers, for a body, and for a reader: by then it has let go of all that are slow."""

REST_SECONDS = 45.0


@proof("http-raw", "malformed requests and slow clients harm nobody: no answer of 5xx, no connection kept, no memory, good clients served")
def strange_bytes() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        log = f"sqlite:///{folder}/shop.db"
        key = made_key(log, "starter")
        errors = Path(folder) / "errors.txt"
        with errors.open("w") as file, serving(log, errors=file) as service:
            connections = service.connections
            found, times, held, memory = asyncio.run(battered(service, key))
            figures = {
                "good_requests": len(times),
                "good_p99_ms": sorted(times)[len(times) * 99 // 100],
                "slow_clients": SLOW,
                "slow_clients_held": held - connections - GOOD_WIRES,
                "connections_kept": rested(service, connections) - connections,
                "memory_mb_grown": service.memory - memory,
                "processes_that_died": not service.lives,
            }
        broken = errors.read_text(encoding="utf-8").count("Traceback")
    for line in (*found.server_errors, *found.smuggled):
        print(line)
    print({sort: dict(statuses) for sort, statuses in found.by_sort.items()})
    return {
        "requests": found.sent,
        "sorts": len(found.by_sort),
        "server_errors": len(found.server_errors),
        "requests_smuggled": len(found.smuggled),
        "faults_in_the_log": broken,
        "answers": found.statuses.total(),
        **figures,
    }


async def battered(service: Serving, key: str) -> tuple[Battered, list[float], int, float]:
    """All of it at once. The connections are those while slow clients still hold theirs; the memory is that before all."""
    aim = Aim(*service.address, START.decode(), key, "hello")
    async with good_traffic(aim) as times:
        await asyncio.sleep(5)
        memory = service.memory
        end = time.monotonic() + PATIENCE
        slow = asyncio.create_task(slow_clients(service.address, SLOW, key, 2 * PATIENCE))
        found = await batter(service.address, drawn(1, REQUESTS, key))
        await asyncio.sleep(end - time.monotonic())
        held = service.connections
        slow.cancel()
        await asyncio.wait([slow])
    return found, times, held, memory


def rested(service: Serving, connections: int) -> int:
    """Its connections, once they are as few as before, or when the time for that is over."""
    end = time.monotonic() + REST_SECONDS
    while service.connections > connections and time.monotonic() < end:
        time.sleep(0.2)
    return service.connections
