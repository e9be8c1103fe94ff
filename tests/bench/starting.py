"""What `import perdure` costs over what it stands on, each import in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from tests.bench.measuring import ROUNDS

BASE = "import time; a = time.perf_counter(); import msgspec, msgspec.json, anyio, anyio.lowlevel; b = time.perf_counter()"
OVER = BASE + "; import perdure; print((time.perf_counter() - b) * 1e3)"


def import_time(rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds, the median of so many processes; the first one, which may compile, is not counted."""
    times = [_once() for _ in range(rounds + 1)]
    return {"medians_of": rounds, "import_ms": median(times[1:])}


def _once() -> float:
    return float(subprocess.run([sys.executable, "-c", OVER], capture_output=True, text=True, check=True).stdout)
