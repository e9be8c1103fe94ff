"""The keyring: makes keys, shows each once, and knows them again by a keyed digest.

A key is `prd_<id>_<secret>`. The log keeps BLAKE2b of the secret under a secret of the service (`PERDURE_KEY_SECRET`), so who
can read the log cannot use a key, and who can write to it cannot forge one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from hashlib import blake2b
from hmac import compare_digest

from msgspec import Struct

from ....actors.ref import Ref
from ....eventlog.errors import Invalid
from ....runtime.kinds.access import CreateKey, FindKey, Key, ListKeys, RevokeKey, RotateKey, Wish
from .permissions import must_be_roles, permissions_of
from .principals import Principal, Visitor

KEY = re.compile(r"prd_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
NAME = re.compile(r"[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,99}")
SECRET_CHARACTERS_MIN = 32
LIFE_MAX = 10 * 366 * 86400
"""Seconds that a key may live."""

FRESH = 1_000_000
"""Microseconds for which what was found of a key is not asked for again: so long another process may take a revoked one."""

KNOWN_MAX = 10_000
NOBODY = blake2b(b"nobody", digest_size=32).hexdigest()


class Made(Struct, frozen=True):
    """A new key: `text` is the key itself, shown here and never again."""

    key: Key
    text: str


class Keyring:
    """The keys of a service, as its actor keeps them. Also the gate for those who show one."""

    def __init__(self, ref: Ref[Wish, list[Key]], secret: str, now: Callable[[], int]) -> None:
        self._ref = ref
        self._secret = blake2b(must_be_secret(secret).encode()).digest()
        self._now = now
        """Microseconds since 1970."""
        self._known: dict[str, tuple[int, Key | None]] = {}

    async def create(
        self, tenant: str, user: str, roles: Sequence[str], *, label: str = "", expires_in: float = 0.0, by: str = ""
    ) -> Made:
        """A key for a user; `expires_in` seconds, 0 for no end."""
        _must_be_names(tenant=tenant, user=user)
        id, secret = _drawn()
        asked = CreateKey(id, self._digest(secret), tenant, user, must_be_roles(roles), label[:200], self._expiry(expires_in), by)
        return Made((await self._ref.ask(asked))[0], _text(id, secret))

    async def rotate(self, id: str, *, tenant: str = "", overlap: float = 86400.0, expires_in: float = 0.0, by: str = "") -> Made:
        """Another key of the same user and roles; the old one is good for `overlap` seconds more."""
        successor, secret = _drawn()
        if not 0 <= overlap <= LIFE_MAX:
            raise _no_time("overlap", overlap)
        asked = RotateKey(id, tenant, successor, self._digest(secret), round(overlap * 1e6), self._expiry(expires_in), by)
        self._known.pop(id, None)
        return Made((await self._ref.ask(asked))[0], _text(successor, secret))

    async def revoke(self, id: str, *, tenant: str = "", by: str = "", why: str = "") -> Key:
        """Let a key be good no more, at once in this process, within a second in others."""
        found = (await self._ref.ask(RevokeKey(id, tenant, by, why[:200])))[0]
        self._known.pop(id, None)
        return found

    async def listed(self, *, tenant: str = "", after: str = "", limit: int = 100) -> list[Key]:
        """The keys of a tenant, in the order of their ids; without one those of all tenants."""
        return await self._ref.ask(ListKeys(tenant, after, limit))

    async def recognise(self, visitor: Visitor) -> Principal | None:
        shown = KEY.fullmatch(visitor.key or visitor.token)
        if shown is None:
            return None
        found = await self._find(shown[1])
        digest = NOBODY if found is None else found.digest
        fits = compare_digest(digest, self._digest(shown[2]))  # of an unknown key, too: the time that it takes tells nothing
        if found is None or not fits or not found.is_good(self._now()):
            return None
        return Principal(found.tenant, found.user, permissions_of(found.roles), f"key {found.id}", found.roles)

    async def _find(self, id: str) -> Key | None:
        now = self._now()
        known = self._known.get(id)
        if known is not None and 0 <= now - known[0] < FRESH:
            return known[1]
        found = await self._ref.ask(FindKey(id))
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[id] = now, found[0] if found else None
        return self._known[id][1]

    def _digest(self, secret: str) -> str:
        return blake2b(secret.encode(), key=self._secret, digest_size=32, person=b"perdure key").hexdigest()

    def _expiry(self, seconds: float) -> int:
        if not 0 <= seconds <= LIFE_MAX:
            raise _no_time("expires_in", seconds)
        return self._now() + round(seconds * 1e6) if seconds else 0


def must_be_secret(secret: str) -> str:
    """The secret; Invalid where it is not set, or could be guessed."""
    if len(secret) < SECRET_CHARACTERS_MIN:
        raise Invalid("keys need a secret of the service to be known by", who="PERDURE_KEY_SECRET", where="environment",
                      expected=f"{SECRET_CHARACTERS_MIN} characters at least, drawn by chance, the same for every process of the service",
                      found=f"{len(secret)} characters" if secret else "nothing",
                      instead='set it: PERDURE_KEY_SECRET=$(python3 -c "import secrets; print(secrets.token_urlsafe(32))")')
    return secret


def _drawn() -> tuple[str, str]:
    return secrets.token_hex(6), secrets.token_urlsafe(32)


def _text(id: str, secret: str) -> str:
    return f"prd_{id}_{secret}"


def _must_be_names(**names: str) -> None:
    for what, name in names.items():
        if not NAME.fullmatch(name):
            raise Invalid(f"a key needs the name of a {what}", who=what, where=f"$.{what}", found=repr(name[:120]),
                          expected="1 to 100 characters, none of them a control character, no blank in front", instead=f"name the {what}")


def _no_time(name: str, seconds: float) -> Invalid:
    return Invalid("a key cannot live so long", who=name, where=f"$.{name}", expected=f"0 to {LIFE_MAX} seconds", found=f"{seconds:g}",
                   instead="choose fewer seconds; 0 expires_in means no end")
