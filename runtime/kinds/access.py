"""Access: the kind of actor that knows the keys of a service: whose they are, what they may, until when.

A key itself is never here, only the digest by which it is known again. One actor holds them all, so that a key is found by its id
before anybody knows whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from ...actors.kind import Kind
from ...eventlog.codec import Event
from ...eventlog.errors import NotFound, Refused
from ...eventlog.records import Head
from ...eventlog.streams import stream_of

NAME = "access"
ID = ("keys", "perdure")
"""The id and the tenant of the one actor of this kind."""

KEYS_MAX = 10_000
"""Keys that are good at once."""

USED_EVERY = 3_600_000_000
"""Microseconds within which it is recorded once that a key is used: so many writes it costs, and no more."""

DEAD_MAX = 1_000
"""Keys that are not, and are still listed: the newest."""


class KeyCreated(Event, frozen=True):
    """A key is good from now on, for `user` of `tenant` in these roles, until `expires` (microseconds since 1970; 0 for no end)."""

    id: str
    digest: str
    tenant: str
    user: str
    roles: tuple[str, ...]
    label: str = ""
    expires: int = 0
    by: str = ""


class KeyRotated(Event, frozen=True):
    """The key `successor` takes the place of this one, which is good until `until`, so that who uses it can change over."""

    id: str
    successor: str
    until: int
    by: str = ""


class KeyRevoked(Event, frozen=True):
    """The key is good no more."""

    id: str
    by: str = ""
    why: str = ""


class KeyUsed(Event, frozen=True):
    """Somebody was let in by the key; said once in an hour, however often that is."""

    id: str


class Key(Struct, frozen=True):
    """What is known of a key: how it was made, and what has become of it. Times in microseconds since 1970, 0 for none."""

    made: KeyCreated
    created: int
    expires: int
    revoked: int = 0
    successor: str = ""
    used: int = 0
    """When it was last used, up to an hour ago."""

    @property
    def id(self) -> str:
        return self.made.id

    @property
    def tenant(self) -> str:
        return self.made.tenant

    def is_good(self, now: int) -> bool:
        return not self.revoked and (not self.expires or now < self.expires)

    def was_used_lately(self, now: int) -> bool:
        """Whether that it is used again is no news."""
        return bool(self.used) and now - self.used < USED_EVERY


class CreateKey(Struct, frozen=True):
    """Let a key be good."""

    made: KeyCreated


class RotateKey(Struct, frozen=True):
    """Let `successor`, with another digest, take the place of a good key of the tenant, which is good for `overlap` microseconds more."""

    id: str
    tenant: str
    successor: str
    digest: str
    overlap: int
    expires: int = 0
    by: str = ""


class RevokeKey(Struct, frozen=True):
    """Let a key of the tenant be good no more; repeated it changes nothing."""

    id: str
    tenant: str
    by: str = ""
    why: str = ""


class UseKey(Struct, frozen=True):
    """Say that somebody was let in by a key."""

    id: str


class FindKey(Struct, frozen=True):
    """Ask for what is known of a key, good or not; the answer has one or none."""

    id: str


class ListKeys(Struct, frozen=True):
    """Ask for the keys of a tenant, at most `limit`, in the order of their ids behind `after`; with an empty tenant those of all."""

    tenant: str = ""
    after: str = ""
    limit: int = 100


class State(Struct):
    """The keys by their ids, those that are good no more apart."""

    keys: dict[str, Key] = field(default_factory=dict[str, Key])
    dead: dict[str, Key] = field(default_factory=dict[str, Key])
    since: int = 0
    at: int = 0


Wish: TypeAlias = CreateKey | RotateKey | RevokeKey | UseKey | FindKey | ListKeys
Fact: TypeAlias = KeyCreated | KeyRotated | KeyRevoked | KeyUsed


class Access(Kind[State, Wish, Fact]):
    """A pure decider over the keys of a service."""

    name = NAME

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Wish, now: int) -> Sequence[Fact]:
        match command:
            case CreateKey(made):
                known = state.keys.get(made.id) or state.dead.get(made.id)
                if known is not None and known.made.digest == made.digest:
                    return ()
                _must_have_room(state, made.id, now)
                return (made,)
            case RotateKey(id, tenant, successor, digest, overlap, expires, by):
                old = _of(state, id, tenant)
                if old.successor == successor:
                    _of(state, successor, tenant)  # it may be dead by now, and forgotten
                    return ()
                if not old.is_good(now) or old.successor:
                    raise Refused("only a key that is good, and has no successor, can be rotated", who=f"key {id}", expected="a good key",
                                  found="one with a successor" if old.successor else "one that is good no more",
                                  instead="rotate the successor, or create a key")
                _must_have_room(state, successor, now)
                made = replace(old.made, id=successor, digest=digest, expires=expires, by=by)
                until = min(old.expires or now + overlap, now + overlap)
                return made, KeyRotated(id, successor, until, by)
            case RevokeKey(id, tenant, by, why):
                return () if _of(state, id, tenant).revoked else (KeyRevoked(id, by, why),)
            case UseKey(id):
                known = state.keys.get(id)
                return (KeyUsed(id),) if known is not None and not known.was_used_lately(now) else ()
            case FindKey() | ListKeys():
                return ()

    def evolve(self, state: State, event: Fact, at: int) -> State:
        state.since, state.at = state.since or at, at
        match event:
            case KeyCreated():
                for old in [old.id for old in state.keys.values() if not old.is_good(at)]:
                    _bury(state, old)
                state.keys[event.id] = Key(event, at, event.expires)
            case KeyRotated(id, successor, until):
                state.keys[id] = replace(state.keys[id], successor=successor, expires=until)
            case KeyUsed(id):
                state.keys[id] = replace(state.keys[id], used=at)
            case KeyRevoked(id):
                home = state.keys if id in state.keys else state.dead
                home[id] = replace(home[id], revoked=at)
                if home is state.keys:
                    _bury(state, id)
        return state

    def answer(self, state: State, command: Wish) -> list[Key]:
        match command:
            case ListKeys(tenant, after, limit):
                known = (state.keys | state.dead).items()
                return [key for id, key in sorted(known) if id > after and tenant in ("", key.tenant)][:limit]
            case RotateKey():
                return [_of(state, command.successor, "")]
            case _:
                id = command.made.id if isinstance(command, CreateKey) else command.id
                found = state.keys.get(id) or state.dead.get(id)
                return [] if found is None else [found]

    def looks(self, command: Wish) -> bool:
        return isinstance(command, FindKey | ListKeys)

    def head(self, state: State, old: Head | None) -> Head | None:
        return old or Head("kept", None, NAME, state.since, state.at)


def stream_of_keys() -> str:
    return stream_of(NAME, ID[1], ID[0])


def _of(state: State, id: str, tenant: str) -> Key:
    """The key of this id, if it is one of the tenant; an empty tenant means any."""
    found = state.keys.get(id) or state.dead.get(id)
    if found is None or tenant not in ("", found.tenant):
        raise NotFound("there is no such key", who=f"key {id}", where="key id", expected="the id of a key, as lists show it",
                       found="no key of this id", instead="list the keys")
    return found


def _must_have_room(state: State, id: str, now: int) -> None:
    if id in state.keys or id in state.dead:
        raise Refused("the id belongs to another key", who=f"key {id}", where="key id", expected="an id that is free",
                      found="one that is taken", instead="let another key be made; over HTTP under another Idempotency-Key")
    if sum(key.is_good(now) for key in state.keys.values()) >= KEYS_MAX:
        raise Refused("there are too many keys", who="the keys of this service", expected=f"at most {KEYS_MAX} that are good",
                      found="one more", instead="revoke what nobody uses, or sign tokens instead of handing out keys")


def _bury(state: State, id: str) -> None:
    state.dead[id] = state.keys.pop(id)
    while len(state.dead) > DEAD_MAX:
        del state.dead[next(iter(state.dead))]
