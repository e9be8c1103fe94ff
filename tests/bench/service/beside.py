"""Our service beside the bare route: each in a process of its own, and the load on them in a third."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.adapters.http.processes import Serving

CONNECTIONS = 64


@contextmanager
def bare(folder: Path) -> Generator[Serving]:
    """The bare route, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.service.bare", str(folder / "bare.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Serving(process, process.stdout.readline().strip())
        finally:
            process.kill()


def load(
    service: Serving, path: str, how: str, *, key: str = "", workflow: str = "greet", connections: int = CONNECTIONS, rate: float = 0.0,
    seconds: float = 5.0,
) -> dict[str, float]:  # fmt: skip
    """The figures of one load, put on a service by a process of its own."""
    host, port = service.address
    numbers = [str(number) for number in (connections, rate, seconds)]
    command = [sys.executable, "-m", "tests.bench.service.load", host, str(port), path, key, workflow, how, *numbers]
    figures: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert not figures["wrong"], f"{figures['wrong']:g} requests were not answered by 201"
    return figures


def follow(service: Serving, key: str, followers: int, runs: int) -> dict[str, float]:
    """The figures of so many followers at once, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.service.followers", service.url, key, str(followers), str(runs)]
    figures: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return figures
