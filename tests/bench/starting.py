"""What `import perdure` costs over what it stands on, each import in a process of its own.

An installed package is compiled once, so the compiled code is kept here too, in a folder of its own: where the shell asks for none to be
kept, each process would compile perdure anew, and that would be measured instead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.measuring import ROUNDS

BASE = "import time; a = time.perf_counter(); import msgspec, msgspec.json, anyio, anyio.lowlevel; b = time.perf_counter()"
OVER = BASE + "; import perdure; print((time.perf_counter() - b) * 1e3)"


def import_time(rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds, the median of so many processes; the first one, which compiles, is not counted."""
    with TemporaryDirectory() as compiled:
        times = [_once(compiled) for _ in range(rounds + 1)]
    return {"medians_of": rounds, "import_ms": median(times[1:])}


def _once(compiled: str) -> float:
    """`compiled` is the folder where compiled code is kept from one process to the next."""
    keeping = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": compiled}
    return float(subprocess.run([sys.executable, "-c", OVER], capture_output=True, text=True, check=True, env=keeping).stdout)
