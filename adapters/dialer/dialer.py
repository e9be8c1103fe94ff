"""The dialer: a host is resolved once, every address that it has is checked, and one of just these is connected to.

The name stays what the server is asked for, in the header Host and in TLS, whose certificate must be for it. Nothing is read from
the environment that could lead elsewhere, no redirect is followed, no connection is used twice: each call is checked anew.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

import anyio
import anyio.abc
from msgspec import Struct

from ...eventlog.errors import Refused, Unavailable
from .addresses import Address, address_of
from .rules import Rules
from .urls import Target, target_of

if TYPE_CHECKING:
    from .exchange import Exchange

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Connect = Callable[[str, int], Awaitable[anyio.abc.ByteStream]]
Secure = Callable[[anyio.abc.ByteStream, str, ssl.SSLContext], Awaitable[anyio.abc.ByteStream]]

ADDRESSES_MAX = 64
"""A host that has more is not called, since every one has to be checked."""
TRIED = 4
"""So many of its addresses are tried before a host counts as away."""


class Answer(Struct, frozen=True):
    """What a server said. `headers`: by their names in small letters, the last of each."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    cut: bool = False
    """Whether there was more of the body than was asked for."""


async def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def secured(stream: anyio.abc.ByteStream, host: str, trust: ssl.SSLContext) -> anyio.abc.ByteStream:
    """The stream by TLS, with a server that proves to be the host."""
    from anyio.streams.tls import TLSStream

    return await TLSStream.wrap(stream, server_side=False, hostname=host, ssl_context=trust, standard_compatible=False)


@cache
def trusted() -> ssl.SSLContext:
    """The certificates that the system trusts; read once, because that takes a while."""
    return ssl.create_default_context()


class Dialer:
    """Calls hosts that somebody else named, by rules."""

    def __init__(
        self, rules: Rules, *, resolve: Resolve = resolved, connect: Connect = anyio.connect_tcp, secure: Secure = secured,
        trust: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self.rules = rules
        self._resolve = resolve
        self._connect = connect
        self._secure = secure
        self._trust = trust

    def must_lead(self, url: str, tenant: str = "default") -> None:
        """Invalid or Refused where a URL can never be called: what can be said of it without asking for its host's addresses."""
        self.rules.must_lead(target_of(url), tenant)

    async def send(
        self, method: str, url: str, *, within: float, headers: Mapping[str, str] | None = None, body: bytes = b"", tenant: str = "default",
        answer_bytes: int = 64 * 1024,
    ) -> Answer:  # fmt: skip
        """What a server answers, within so many seconds in all, its body cut off behind `answer_bytes`.

        Refused where the host may not be called, Invalid where the URL is none, Unavailable where it does not answer in time.
        """
        try:
            with anyio.fail_after(within):
                async with self.sending(method, url, headers=headers, body=body, tenant=tenant) as exchange:
                    content, cut = await exchange.read(answer_bytes)
                    return Answer(exchange.status, exchange.headers, content, cut)
        except TimeoutError as late:
            raise Unavailable("a host did not answer in time", who=target_of(url).authority, expected=f"an answer within {within:g} s",
                              found="none", instead="call it again later") from late

    @asynccontextmanager
    async def sending(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", tenant: str = "default"
    ) -> AsyncGenerator[Exchange]:
        """As `send`, the body left to be read, and the time to be limited, by who calls."""
        from .exchange import Exchange, headers_for  # not before the first call: most processes make none

        target = target_of(url)
        self.rules.must_lead(target, tenant)
        sent = headers_for(target, headers or {}, body)
        stream = await self._reach(target, await self.addresses_of(target, tenant))
        try:
            exchange = Exchange(stream, target)
            await exchange.ask(method, sent, body)
            yield exchange
        finally:
            await anyio.aclose_forcefully(stream)

    async def addresses_of(self, target: Target, tenant: str) -> Sequence[Address]:
        """The addresses of the host, each of them checked."""
        if target.address is not None:
            return (target.address,)
        try:
            found = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as unknown:
            raise Unavailable("a host has no address", who=target.host, expected="a name that resolves", found=str(unknown),
                              instead="correct the name, or call it again later") from unknown
        if not 0 < len(found) <= ADDRESSES_MAX:
            raise Refused("this host is not called", who=target.host, expected=f"1 to {ADDRESSES_MAX} addresses", found=str(len(found)),
                          instead="let the name have fewer addresses")
        addresses = tuple(address_of(each) for each in found)
        self.rules.must_be_open(target, addresses, tenant)
        return addresses

    async def _reach(self, target: Target, addresses: Sequence[Address]) -> anyio.abc.ByteStream:
        """A stream to one of the addresses, by TLS where the URL says so."""
        failures: list[str] = []
        for address in addresses[:TRIED]:
            try:
                stream = await self._connect(str(address), target.port)
            except OSError as away:
                failures.append(str(away))
                continue
            if target.scheme == "http":
                return stream
            try:
                return await self._secure(stream, target.host, self._trust or trusted())
            except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as untrusted:  # every error of ssl is an OSError
                await anyio.aclose_forcefully(stream)
                failures.append(str(untrusted) or type(untrusted).__name__)
            except BaseException:
                await anyio.aclose_forcefully(stream)
                raise
        raise Unavailable("a host cannot be reached", who=target.authority, expected="a connection to one of its addresses",
                          found="; ".join(failures)[:500], instead="call it again later")
