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

from .keys import lacking_in_credentials, lacking_in_nkey

LOGIN = ("authorization violation", "authorizationerror", "authentication", "account")
"""Words by which a server says that it does not let us in."""

FLUSH_SECONDS = 10


class NoTls(Error):
    """The server does not offer the TLS that was asked for."""

    def __str__(self) -> str:
        return "the server offers no TLS, and nothing was sent to it"


class NoKeys(Error):
    """A file that should let us in holds nothing that does."""


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

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 - nats-py's own
        """Where TLS was asked for there is TLS, or nothing: nats-py has it where the server demands it, and tells others who we are."""
        if initial_connection and "tls" in self.options and not info.get("tls_required"):
            if not info.get("tls_available"):
                raise NoTls
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)

    def _connect_command(self) -> bytes:
        """A file of credentials that is being written may hold none for a moment: that is a reason to try again, not the end."""
        if isinstance(self._user_credentials, str) and (found := lacking_in_credentials(self._user_credentials)):
            raise NoKeys(f"?creds=: {found}")
        if self._nkeys_seed is not None and (found := lacking_in_nkey(self._nkeys_seed)):
            raise NoKeys(f"?nkey=: {found}")
        return super()._connect_command()

    async def close(self) -> None:
        """As nats-py has it, which cannot close what never began to connect."""
        if self._flush_queue is not None:
            await super().close()

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
    """Whether trying again at once gives the same: credentials or certificates do not fit, or there is no TLS."""
    return isinstance(error, ssl.SSLError | NoTls) or is_about_login(str(error) or repr(error))
