"""`make bench`: every workload beside its bare limit, as a table and as JSON (kept in .make/bench.json)."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.bench import loads, reference
from tests.bench.measuring import fsync_latency
from tests.bench.starting import import_time

Figures = dict[str, float]

PARTS: dict[str, Callable[[], Coroutine[Any, Any, Figures]]] = {
    "w1": loads.w1,
    "w2": loads.w2,
    "w3": loads.w3,
    "long": loads.long_run,
    "replay": loads.replay,
}


def main(argv: list[str]) -> int:
    ask = argparse.ArgumentParser(prog="make bench", description=__doc__)
    ask.add_argument("parts", nargs="*", help=f"{', '.join([*PARTS, 'import', 'bare'])}; all by default")
    wanted = ask.parse_args(argv).parts or [*PARTS, "import", "bare"]
    found: dict[str, Figures] = {"machine": {"cores": os.cpu_count() or 0, "fsync_us": fsync_latency()}}
    for part in wanted:
        found[part] = asyncio.run(PARTS[part]()) if part in PARTS else import_time() if part == "import" else reference.share()
        for name, figure in found[part].items():
            print(f"{part:8} {name:38} {figure:>14,.3f}", flush=True)
    kept = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version, "machine": platform.machine(), **found}
    Path(".make").mkdir(exist_ok=True)
    Path(".make/bench.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(kept))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
