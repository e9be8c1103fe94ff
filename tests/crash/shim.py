"""The shim that kills: built with gcc into a cache, loaded with LD_PRELOAD, armed from inside the process that shall die."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Literal

from msgspec import Struct

from tests import machine

SOURCE = Path(__file__).resolve().parent / "shim.c"
OPTIONS = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
CACHE = machine.ROOT / ".make"

When = Literal["before", "inside", "after"]


class Kill(Struct, frozen=True):
    """The call at which to die: counted from 1, 0 for never; `tear` chooses the length of a torn write."""

    at: int = 0
    when: When = "before"
    tear: int = 0


@functools.cache
def built() -> Path:
    """The shim as a library; a machine without gcc has none."""
    compiler = shutil.which("gcc") or machine.missing("gcc")
    library = CACHE / f"shim-{sha256(SOURCE.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        CACHE.mkdir(exist_ok=True)
        fresh = library.with_suffix(".new")
        subprocess.run([compiler, *OPTIONS, "-o", str(fresh), str(SOURCE), "-ldl"], check=True)
        fresh.replace(library)
    return library


def arm(directory: Path, report: Path, kill: Kill) -> None:
    """From now on count the calls that change files in `directory`, and die at the one that `kill` names."""
    process = ctypes.CDLL(None)
    process.crash_arm.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_char, ctypes.c_ulong]
    process.crash_arm(bytes(directory), bytes(report), kill.at, kill.when[0].encode(), kill.tear)


def kinds_so_far() -> str:
    """One letter for each call since `arm`: w write, s sync, t truncate, u unlink, r rename, c create."""
    process = ctypes.CDLL(None)
    process.crash_kinds.restype = ctypes.c_char_p
    kinds: bytes = process.crash_kinds()
    return kinds.decode()
