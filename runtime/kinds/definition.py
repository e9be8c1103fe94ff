"""Definitions: the kind of actor that keeps the versions of one workflow as data.

A version never changes once it is there. The same content applied again is the version that is there already, so a repeat is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct, field

from ...actors.kind import Kind
from ...eventlog.codec import Event
from ...eventlog.errors import NotFound, Refused
from ...eventlog.records import Head
from ..authoring.values import NOTHING

NAME = "definition"
VERSIONS_MAX = 1000


class Applied(Event, frozen=True):
    """This is the definition from now on; its versions count from 1. `digest` is that of its canonical bytes."""

    name: str
    version: int
    digest: str
    definition: Raw
    by: str = ""


class Archived(Event, frozen=True):
    """Nothing begins by this name any more, until it is applied again. Runs that have begun go on."""

    by: str = ""
    why: str = ""


class Apply(Struct, frozen=True):
    """Keep a definition. `expected`: only where this is the newest version, 0 for none; -1 for whatever it is."""

    name: str
    digest: str
    definition: Raw
    expected: int = -1
    by: str = ""


class Archive(Struct, frozen=True):
    """Let nothing begin by this name any more."""

    by: str = ""
    why: str = ""
    expected: int = -1


class Show(Struct, frozen=True):
    """Ask for a version, 0 for the newest."""

    version: int = 0


class Version(Struct, frozen=True):
    """One version: when, by whom, and what."""

    version: int
    digest: str
    at: int
    by: str
    definition: Raw


class VersionLine(Struct, frozen=True, omit_defaults=True):
    """One version in the history of a definition; `at` in microseconds since 1970."""

    version: int
    digest: str
    at: int
    by: str = ""


class Kept(Struct, frozen=True):
    """What is kept of a definition: the version that was asked for, and the history of all."""

    name: str
    version: int
    digest: str
    at: int
    by: str
    archived: bool
    history: list[VersionLine]
    definition: Raw = NOTHING


class State(Struct):
    """All versions, in their order."""

    name: str = ""
    versions: list[Version] = field(default_factory=list[Version])
    archived: bool = False
    at: int = 0


Command: TypeAlias = Apply | Archive | Show
Said: TypeAlias = Applied | Archived


class Definitions(Kind[State, Command, Said]):
    """One actor for each name."""

    name = NAME

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Command, now: int) -> Sequence[Said]:
        if isinstance(command, Apply):
            return self._apply(state, command)
        _version(state, command.version if isinstance(command, Show) else 0)
        if isinstance(command, Show) or state.archived:
            return ()
        _must_expect(state, command.expected)
        return [Archived(command.by, command.why)]

    def _apply(self, state: State, command: Apply) -> Sequence[Said]:
        newest = state.versions[-1] if state.versions else None
        if newest is not None and newest.digest == command.digest and not state.archived:
            return ()
        _must_expect(state, command.expected)
        if len(state.versions) >= VERSIONS_MAX:
            raise Refused("a definition has no more than so many versions", who=f"definition {command.name!r}", where="apply",
                          expected=f"at most {VERSIONS_MAX}", found=f"{len(state.versions)} so far", instead="apply it under another name")
        return [Applied(command.name, len(state.versions) + 1, command.digest, command.definition, command.by)]

    def evolve(self, state: State, event: Said, at: int) -> State:
        state.at = at
        match event:
            case Applied(name, version, digest, definition, by):
                state.name, state.archived = name, False
                state.versions.append(Version(version, digest, at, by, definition))
            case Archived():
                state.archived = True
        return state

    def answer(self, state: State, command: Command) -> Kept:
        found = _version(state, command.version if isinstance(command, Show) else 0)
        history = [VersionLine(one.version, one.digest, one.at, one.by) for one in state.versions]
        return Kept(state.name, found.version, found.digest, found.at, found.by, state.archived, history, found.definition)

    def looks(self, command: Command) -> bool:
        return isinstance(command, Show)

    def head(self, state: State, old: Head | None) -> Head | None:
        if not state.versions:
            return old
        newest, status = state.versions[-1], "archived" if state.archived else "active"
        about = msgspec.json.encode({"version": newest.version, "digest": newest.digest})
        if old is not None and (old.status, old.attributes) == (status, about):
            return old
        return Head(status, None, state.name, state.versions[0].at, state.at, about)


def _version(state: State, version: int) -> Version:
    """The version that is meant; NotFound where there is none."""
    if not state.versions:
        raise NotFound("there is no such definition", who="definition", where="name", expected="one that was applied", found="no version",
                       instead="list them with 'perdure definitions list', or apply it first")
    if not 0 <= version <= len(state.versions):
        raise NotFound("there is no such version", who=f"definition {state.name!r}", where="version", found=str(version),
                       expected=f"1 to {len(state.versions)}", instead="leave the version out to have the newest")
    return state.versions[version - 1]


def _must_expect(state: State, expected: int) -> None:
    newest = len(state.versions)
    if expected not in (-1, newest):
        raise Refused("somebody else has applied another version", who=f"definition {state.name!r}", where="expected version",
                      expected=str(expected), found=f"{newest}, the newest",
                      instead="look at that version, then apply yours on top of it")
