"""Measuring: medians, CPU time, bytes written, the latency of the disk; everything interleaved, because machines are noisy."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROUNDS = 7


def share_of(pairs: list[tuple[float, float]]) -> float:
    """The median of ours over theirs, pair by pair."""
    return median(ours / theirs for ours, theirs in pairs)


@contextmanager
def fresh_folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as name:
        yield Path(name)


def settle_collector() -> None:
    """What `perdure run` does too: leave what is there alone, and look for cycles seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def bytes_written() -> int:
    """Bytes this process has sent to the disk so far, as the kernel counts them; 0 where it does not say."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def memory_of(pid: int) -> tuple[float, float]:
    """The memory that a process has, and the most that it ever had, in MB, as the kernel counts them."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    now, most = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, most


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has had, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fsync_latency(count: int = 200) -> float:
    """The median of appending 4 KiB and syncing it, in microseconds."""
    times: list[float] = []
    with fresh_folder() as folder:
        handle = os.open(folder / "file", os.O_CREAT | os.O_WRONLY)
        for _ in range(count):
            begun = time.perf_counter()
            os.write(handle, bytes(4096))
            os.fdatasync(handle)
            times.append(time.perf_counter() - begun)
        os.close(handle)
    return median(times) * 1e6
