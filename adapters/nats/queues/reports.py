"""Reports: what a queue worker says to the owners of runs, by way of any worker that serves the namespace."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from nats.errors import MaxPayloadError

from ....eventlog.errors import PerdureError, TooLarge, Unavailable
from ....runtime.perform.passing import answer_in, spoken, taken, verdict_in
from ....runtime.perform.queueing import Taking, Verdict
from ..client import nobody
from ..doors.task_desk import desk_subject
from ..wire import api
from ..wire.connection import Connection, NoAnswer

logger = logging.getLogger("perdure.nats")

WITHIN = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0


class Reports:
    """Asks and tells."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._subject = desk_subject(namespace)

    async def verdict(self, taking: Taking) -> Verdict:
        """What to do with an order; Unavailable where nobody can say it at present."""
        return verdict_in(await self._ask(taken(taking)), taking.stream)

    async def tell(self, stream: str, command: Any) -> None:
        """Say it once."""
        answer_in(await self._ask(spoken(stream, command)), stream)

    async def insist(self, stream: str, command: Any) -> PerdureError | None:
        """Say it until the run has judged it; or why it never will."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.tell(stream, command)
            except Unavailable as away:
                level = logging.WARNING if pause == FIRST_PAUSE else logging.DEBUG
                logger.log(level, "what became of step %s of %s cannot be told yet: %s", command.id, stream, away.found)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            except PerdureError as refused:
                logger.warning("what became of step %s of %s is refused: %s", command.id, stream, refused)
                return refused
            else:
                return None

    async def _ask(self, letter: bytes) -> bytes:
        try:
            message = await self._connection.ask(self._subject, letter, within=WITHIN)
        except NoAnswer as error:
            raise nobody(self._subject, str(error)) from error
        except MaxPayloadError as error:
            raise TooLarge("what became of a step is larger than this NATS server carries", who=f"subject {self._subject}",
                           expected=f"at most {self._connection.client.max_payload} bytes", found=f"{len(letter)} bytes",
                           instead="raise max_payload of nats-server") from error
        if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
            raise nobody(self._subject, "no worker serves the runs of this namespace")
        return message.data
