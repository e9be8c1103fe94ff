"""In production: a warning, once for each place, where driven workflow code opens a file, a socket or a process.

An audit hook of Python stays for the life of the process, so there is one at most, and only where a setting asks for it.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...authoring.driving import DRIVER, Driver
from .frames import is_allowed, place_of

PLACES_MAX = 1000
"""Places that are warned of; beyond, it is silent."""

EVENTS = {
    "open": "opens a file",
    "os.listdir": "lists a folder",
    "os.scandir": "lists a folder",
    "socket.__new__": "opens a socket",
    "socket.connect": "connects a socket",
    "socket.getaddrinfo": "asks for the address of a host",
    "socket.gethostbyname": "asks for the address of a host",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.spawn": "starts a process",
    "os.startfile": "starts a process",
}
"""What Python audits, and what a workflow that does it does."""

Driving = Callable[[], Driver | None]

logger = logging.getLogger("perdure")

_warned: set[tuple[str, int, str]] = set()


@functools.cache
def warn_of_io() -> None:
    """Watch this process from now on."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...], watched: Mapping[str, str] = EVENTS, driving: Driving = DRIVER.get) -> None:
    """The hook. It outlives this module's names when the interpreter ends, so what every call needs is among its parameters."""
    what = watched.get(event)
    if what is None:
        return
    driver = driving()
    if driver is None:
        return
    place = place_of(sys._getframe(1), driver.home())  # noqa: SLF001 - the only way to the caller
    if place is None or len(_warned) >= PLACES_MAX:
        return
    key = (place.file, place.line, what)
    if key in _warned or is_allowed(place):
        return
    _warned.add(key)
    logger.warning(
        "workflow %r %s at %s:%d in %s; it happens again at every replay: do it in a step",
        driver.describe().get("workflow"), what, place.file, place.line, place.function,
    )  # fmt: skip
