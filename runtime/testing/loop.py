"""The loop of the simulation: trio on a virtual clock, its order of tasks drawn from a seed.

The hooks are trio's own, made for Hypothesis but not promised to anybody; so before the first simulation a small known
scenario must give its known order, else this loop is refused loudly instead of giving histories that do not repeat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from random import Random
from typing import TypeVar

import anyio

from ...eventlog.errors import Unavailable

T = TypeVar("T")

KNOWN_SEED = 20
KNOWN_ORDER = "c09cd44cafb72e56"
"""What `known_scenario` must give under KNOWN_SEED, on every Python and with every PYTHONHASHSEED."""

_proven: list[str] = []


def run_seeded(seed: int, main: Callable[[], Awaitable[T]]) -> T:
    """What `main` returns; the same seed gives the same order of everything in it."""
    if not _proven:
        prove()
    return _run_seeded(seed, main)


def prove() -> None:
    """Unavailable unless the known scenario goes as known."""
    found = _run_seeded(KNOWN_SEED, known_scenario)
    if found != KNOWN_ORDER:
        raise _refused(f"the known scenario went as {KNOWN_ORDER}", f"it went as {found}")
    _proven.append(found)


def _run_seeded(seed: int, main: Callable[[], Awaitable[T]]) -> T:
    try:
        from trio._core import _run as scheduler
        from trio.testing import MockClock

        allowed, dice = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r  # noqa: SLF001 - the hooks this module is about
    except (ImportError, AttributeError) as missing:
        raise _refused("trio with its hooks for a seeded order of tasks", repr(missing)) from missing
    kept = dice.getstate()
    setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)  # noqa: B010 - trio declares it Final and Hypothesis sets it all the same
    dice.seed(f"{seed}:sched")
    try:
        return anyio.run(main, backend="trio", backend_options={"clock": MockClock(autojump_threshold=0)})
    finally:
        setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", allowed)  # noqa: B010
        dice.setstate(kept)


def _refused(expected: str, found: str) -> Unavailable:
    return Unavailable(
        "the simulation cannot repeat itself on this trio",
        who="perdure.testing",
        where="trio's scheduler",
        expected=expected,
        found=found,
        instead="install the release of trio that constraints.txt names",
    )


async def known_scenario() -> str:
    """Tasks that tie for every turn and every deadline, and a digest of who came when."""
    order: list[str] = []
    met = anyio.Event()

    async def runner(name: int) -> None:
        for lap in range(3):
            await anyio.sleep(1 + lap % 2)
            order.append(f"{name}.{lap}@{anyio.current_time():g}")
        if len(order) == 21:
            met.set()
        await met.wait()
        order.append(f"{name}.")

    async with anyio.create_task_group() as group:
        for name in range(7):
            group.start_soon(runner, name)
    return sha256(" ".join(order).encode()).hexdigest()[:16]


def stream_of_chance(seed: int, name: str) -> Random:
    """A source of chance of its own for each purpose, so that a draw more in one does not shift the others."""
    return Random(f"{seed}:{name}")
