"""nats-py's client, made to last: a refusal in mid-life is a reason to connect again, not the end.

And made to hand over at once, as bytes, what comes in masses.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import AuthorizationError, Error

LOGIN = ("authorization violation", "authorizationerror", "authentication", "account")
"""Words by which a server says that it does not let us in."""

FLUSH_SECONDS = 10


class PatientClient(Client):
    """Where credentials expire, or an account is changed, the server cuts the connection, and nats-py would end for good.

    A file of credentials is read again at each connecting: whoever renews it, in time or late, has the connection back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.straight: dict[int, Callable[[bytes, bytes, bytes], None]] = {}
        """Who hears subject, headers and body of what comes for a subscription, by its id, in place of a message."""

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        hear = self.straight.get(sid)
        if hear is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            hear(subject, headers or b"", data)

    async def flush(self, timeout: int = FLUSH_SECONDS) -> None:  # noqa: ASYNC109 - nats-py's own
        """As nats-py has it, whose question would else pass what waits to be sent, so that the answer would say nothing of it."""
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except BaseException:
            transport: Any = self._transport
            if transport is not None:  # nats-py leaves open what it could not use
                transport.close()
            raise

    async def _attempt_reconnect(self) -> None:
        with suppress(asyncio.InvalidStateError):  # nats-py ends an attempt twice where it was cut short by another
            await super()._attempt_reconnect()

    async def _process_err(self, err_msg: str) -> None:
        if is_about_login(err_msg):
            error = AuthorizationError() if "authorization" in err_msg.lower() else Error(f"nats: {err_msg.strip(chr(39))}")
            await self._error_cb(error)
            await self._process_op_err(error)
        else:
            await super()._process_err(err_msg)


def is_about_login(text: str) -> bool:
    lower = text.lower()
    return "permissions violation" not in lower and any(word in lower for word in LOGIN)


def is_hopeless(error: BaseException) -> bool:
    """Whether trying again at once gives the same: credentials or certificates do not fit."""
    return isinstance(error, ssl.SSLError) or is_about_login(str(error) or repr(error))
