"""The keyring: makes keys, shows each once, and knows them again by a keyed digest.

A key is `prd_<id>_<secret>`. The log keeps BLAKE2b of the secret under a secret of the service (`PERDURE_KEY_SECRET`), so who
can read the log cannot use a key, and who can write to it cannot forge one.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from hmac import compare_digest

import msgspec
from anyio import move_on_after
from msgspec import Struct

from ....eventlog.errors import Invalid, PerdureError
from ....runtime.calling.directory import CallingAccess
from ....runtime.kinds.access import Key
from ....runtime.permissions import must_be_names
from ....runtime.requests.access import EndKey, KeepKey, KeyLine, NoteKey, ReplaceKey
from .crowd import Crowd
from .fresh import KNOWN_MAX, Fresh
from .principals import Principal, Visitor

KEY = re.compile(r"prd_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
SECRET_CHARACTERS_MIN = 32
LIFE_MAX = 10 * 366 * 86400
"""Seconds that a key may live."""

NOTE_SECONDS = 1.0
"""Within which it is recorded, or else left for the next time, that a key was used."""

NOTE_AGAIN = 60_000_000
"""Microseconds after which that is tried again."""

NOBODY = blake2b(b"nobody", digest_size=32).hexdigest()


class Made(Struct, frozen=True):
    """A new key: `text` is the key itself, shown here and never again."""

    about: KeyLine
    text: str


class Keyring:
    """The keys of a service, as the log keeps them. Also the gate for those who show one."""

    def __init__(self, caller: CallingAccess, secret: str, now: Callable[[], int], crowd: Crowd | None = None) -> None:
        self._caller = caller
        self._secret = blake2b(must_be_secret(secret).encode()).digest()
        self._now = now
        """Microseconds since 1970."""
        self._known = Fresh[Key | None](now)
        self._noted: dict[str, int] = {}
        """Keys of whose use the log was told, and when."""
        self.crowd = crowd or Crowd(caller, now)

    async def create(
        self, tenant: str, user: str, roles: Sequence[str] = (), *, label: str = "", expires_in: float = 0.0, by: str = "",
        command: str = "",
    ) -> Made:  # fmt: skip
        """A key for a user; `expires_in` seconds, 0 for no end. Under one `command` of one who says so it is one key, shown again.

        Of a user who has a record it may do what these roles allow, as long as the user has them; without roles all that the user may.
        """
        must_be_names(tenant=tenant, user=user)
        given = await self.crowd.roles_for(tenant, user, roles)
        id, secret = self._drawn(tenant, by, command, "create", user, *given, label, expires_in)
        made = KeepKey(id=id, digest=self._digest(secret), user=user, roles=given, label=label[:200], expires=self._expiry(expires_in),
                       by=by, tenant=tenant)  # fmt: skip
        return Made((await self._caller.about_keys(made)).keys[0], _text(id, secret))

    async def rotate(
        self, id: str, *, tenant: str = "", overlap: float = 86400.0, expires_in: float = 0.0, by: str = "", command: str = ""
    ) -> Made:
        """Another key of the same user and roles; the old one is good for `overlap` seconds more. `command` as for `create`."""
        successor, secret = self._drawn(tenant, by, command, "rotate", id, overlap, expires_in)
        if not 0 <= overlap <= LIFE_MAX:
            raise _no_time("overlap", overlap)
        asked = ReplaceKey(id=id, tenant=tenant, successor=successor, digest=self._digest(secret), overlap=round(overlap * 1e6),
                           expires=self._expiry(expires_in), by=by)  # fmt: skip
        told = await self._caller.about_keys(asked)
        self._known.forget(id)
        return Made(told.keys[0], _text(successor, secret))

    async def revoke(self, id: str, *, tenant: str = "", by: str = "", why: str = "") -> KeyLine:
        """Let a key be good no more, at once in this process, within a second in others."""
        told = await self._caller.about_keys(EndKey(id=id, tenant=tenant, by=by, why=why[:200]))
        self._known.forget(id)
        return told.keys[0]

    async def recognise(self, visitor: Visitor) -> Principal | None:
        shown = KEY.fullmatch(visitor.key or visitor.token)
        if shown is None:
            return None
        found = await self._known.get(shown[1], self._caller.key)
        digest = NOBODY if found is None else found.made.digest
        fits = compare_digest(digest, self._digest(shown[2]))  # of an unknown key, too: the time that it takes tells nothing
        if found is None or not fits or not found.is_good(self._now()):
            return None
        made = found.made
        person = await self.crowd.person(made.tenant, made.user)
        if person.is_shut_out:
            return None
        await self._note(found)
        roles = person.roles_of_a_key(made.roles)
        return Principal(made.tenant, made.user, person.permissions(roles), f"key {found.id}", roles)

    async def _note(self, key: Key) -> None:
        """Let the log say, once in an hour, that the key is used; nobody is turned away because it cannot."""
        now = self._now()
        if key.was_used_lately(now) or now - self._noted.get(key.id, 0) < NOTE_AGAIN:
            return
        if len(self._noted) >= KNOWN_MAX:
            self._noted.clear()
        self._noted[key.id] = now
        with move_on_after(NOTE_SECONDS), suppress(PerdureError):
            await self._caller.about_keys(NoteKey(id=key.id))

    def _drawn(self, tenant: str, by: str, command: str, *said: object) -> tuple[str, str]:
        """The id and the secret of a new key, by chance; under a command what the service's secret makes of it.

        So a repeat comes to the same key, which is kept nowhere, and the same command with other words to an id that is taken.
        """
        if not command:
            return secrets.token_hex(6), secrets.token_urlsafe(32)
        name = msgspec.json.encode([tenant, by, command])
        id = blake2b(name, key=self._secret, digest_size=6, person=b"perdure key id").hexdigest()
        drawn = blake2b(name + msgspec.json.encode(said), key=self._secret, digest_size=32, person=b"perdure drawn").digest()
        return id, urlsafe_b64encode(drawn).rstrip(b"=").decode()

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


def _text(id: str, secret: str) -> str:
    return f"prd_{id}_{secret}"


def _no_time(name: str, seconds: float) -> Invalid:
    return Invalid("a key cannot live so long", who=name, where=f"$.{name}", expected=f"0 to {LIFE_MAX} seconds", found=f"{seconds:g}",
                   instead="choose fewer seconds; 0 expires_in means no end")
