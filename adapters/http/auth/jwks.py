"""Sets of public keys that tokens are signed by: read from a file or fetched, kept for a while, and looked at anew for a key that is new.

Whoever signs changes keys by showing the next one beforehand, under a `kid` of its own. So a `kid` that is not known is looked for once
more, but not more often than every ten seconds, whoever asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ....eventlog.errors import Unavailable
from ....runtime.definitions.plain import is_list, is_map

FRESH, STALE, PATIENCE = 300.0, 3600.0, 10.0
"""Seconds for which a set is not asked for again, after which it is used no more where it cannot be had, and between two attempts."""

FETCH_SECONDS = 5.0
BYTES_MAX = 256 * 1024
KEYS_MAX = 100
RSA_BITS_MIN = 2048

Read = Callable[[], Awaitable[bytes]]


class KeySet:
    """The keys of one place."""

    def __init__(self, place: str, read: Read, now: Callable[[], float]) -> None:
        self._place = place
        self._read = read
        self._now = now
        """Seconds, of a clock that never goes back."""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._lock = anyio.Lock()

    async def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key of this name; without one the only key that there is. Unavailable where there are no keys to look at."""
        now = self._now()
        found = self._known(kid)
        if (found is None or now - self._read_at > FRESH) and now - self._tried_at > PATIENCE:
            await self._look()
            found = self._known(kid)
        if self._now() - self._read_at > STALE:
            raise Unavailable("the keys that tokens are signed by cannot be had", who="tokens", where=self._place,
                              expected="a set of keys (JWKS)", found="none for an hour", instead="see that PERDURE_JWT_JWKS can be read")
        return found

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    async def _look(self) -> None:
        asked_at = self._now()
        async with self._lock:
            if self._tried_at >= asked_at:
                return  # somebody else has looked meanwhile
            self._tried_at = self._now()
            try:
                with anyio.fail_after(FETCH_SECONDS):
                    self._keys = keys_in(await self._read())
                self._read_at = self._now()
            except (OSError, TimeoutError, httpx.HTTPError, ValueError, RecursionError):
                return  # what was read before is good for an hour


def keys_in(text: bytes) -> dict[str, jwt.PyJWK]:
    """The keys of a set by their `kid` that signatures can be checked by; those that are secret, too short or unknown are left out."""
    told: Any = json.loads(text)
    listed: Any = told.get("keys") if is_map(told) else None
    if not is_list(listed) or not listed:
        raise ValueError("no keys")
    found: dict[str, jwt.PyJWK] = {}
    for one in listed[:KEYS_MAX]:
        if is_map(one) and (key := _key(one)) is not None:
            found.setdefault(str(one.get("kid", "")), key)
    return found


def _key(given: dict[str, Any]) -> jwt.PyJWK | None:
    if given.get("kty") not in ("RSA", "EC", "OKP") or given.get("use", "sig") != "sig" or "d" in given:
        return None
    try:
        key = jwt.PyJWK(given)
    except jwt.PyJWTError:
        return None
    public: Any = key.key
    return None if isinstance(public, RSAPublicKey) and public.key_size < RSA_BITS_MIN else key


def in_file(path: str) -> Read:
    async def read() -> bytes:
        return await anyio.Path(path).read_bytes()

    return read


def at_url(url: str) -> Read:
    """Fetched without a proxy and without being sent on, so much and no more."""

    async def read() -> bytes:
        client = httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False, trust_env=False)
        async with client, client.stream("GET", url) as told:
            if not told.is_success:
                raise ValueError(f"status {told.status_code}")
            content = b""
            async for piece in told.aiter_bytes():
                content += piece
                if len(content) > BYTES_MAX:
                    raise ValueError(f"over {BYTES_MAX} bytes")
            return content

    return read
