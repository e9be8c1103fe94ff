"""Services that last: what breaks one is our own fault, but a worker that lived on without it would serve nobody and let nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ....eventlog.errors import Bug, PerdureError

logger = logging.getLogger("perdure.nats")

PAUSE = 1.0
"""Seconds before a service that broke is begun anew."""


async def lasting(service: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Serve until cancelled, begun anew whenever it breaks, which is said."""
    while True:
        try:
            await service()
        except Exception as error:
            if isinstance(error, PerdureError) and not isinstance(error, Bug):
                logger.warning("nats: a service of this worker waits: %s", error)
            else:
                logger.critical("a service of this worker broke, and is begun anew; please report this", exc_info=error)
        await asyncio.sleep(PAUSE)
