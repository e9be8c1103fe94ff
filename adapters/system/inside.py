"""Inside a process for steps: orders come in by standard input, reports go out by what was standard output, one after another."""

from __future__ import annotations

import os
import signal
import struct
from typing import BinaryIO

from ...runtime.perform.elsewhere import perform

LENGTH = struct.Struct(">Q")


def main() -> None:
    """Serve until the other side closes the pipe. What a step prints goes to standard error: it must not reach the other side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started us, who ends us
    with os.fdopen(os.dup(0), "rb") as orders, os.fdopen(os.dup(1), "wb") as reports:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        while (order := _next(orders)) is not None:
            report = perform(order)
            reports.write(LENGTH.pack(len(report)) + report)
            reports.flush()


def _next(orders: BinaryIO) -> bytes | None:
    head = orders.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = orders.read(length)
    return body if len(body) == length else None
