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

EXPECTED = "expected version"
"""Where somebody else was first."""

COMMANDS_MAX = 1000
"""Commands that are known again: the newest."""


class Applied(Event, frozen=True):
    """This is the definition from now on; its versions count from 1. `digest` is that of its canonical bytes."""

    name: str
    version: int
    digest: str
    definition: Raw
    by: str = ""
    command: str = ""


class Archived(Event, frozen=True):
    """Nothing begins by this name any more, until it is applied again. Runs that have begun go on."""

    by: str = ""
    why: str = ""
    command: str = ""


class Confirmed(Event, frozen=True):
    """A command wished what was so already: `version` is the newest, or, where it is 0, nothing begins by this name."""

    command: str
    version: int = 0


class Apply(Struct, frozen=True):
    """Keep a definition. `expected`: only where this is the newest version, 0 for none; -1 for whatever it is.

    Under one `command` it is kept once, whatever was applied since; an empty one names nothing.
    """

    name: str
    digest: str
    definition: Raw
    expected: int = -1
    by: str = ""
    command: str = ""


class Archive(Struct, frozen=True):
    """Let nothing begin by this name any more; under one `command` once, as for `Apply`."""

    by: str = ""
    why: str = ""
    expected: int = -1
    command: str = ""


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
    commands: dict[str, int] = field(default_factory=dict[str, int])
    """By command, the version that it led to; 0 where that was to be archived."""


Command: TypeAlias = Apply | Archive | Show
Said: TypeAlias = Applied | Archived | Confirmed


class Definitions(Kind[State, Command, Said]):
    """One actor for each name."""

    name = NAME

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Command, now: int) -> Sequence[Said]:
        if isinstance(command, Show):
            _version(state, command.version)
            return ()
        if command.command in state.commands:
            _must_be_the_same(state, command)
            return ()
        if isinstance(command, Apply):
            return self._apply(state, command)
        _version(state, 0)
        if state.archived:
            return _confirmed(command, 0)
        _must_expect(state, command.expected)
        return [Archived(command.by, command.why, command.command)]

    def _apply(self, state: State, command: Apply) -> Sequence[Said]:
        newest = state.versions[-1] if state.versions else None
        if newest is not None and newest.digest == command.digest and not state.archived:
            return _confirmed(command, newest.version)
        _must_expect(state, command.expected)
        if len(state.versions) >= VERSIONS_MAX:
            raise Refused("a definition has no more than so many versions", who=f"definition {command.name!r}", where="apply",
                          expected=f"at most {VERSIONS_MAX}", found=f"{len(state.versions)} so far", instead="apply it under another name")
        version = len(state.versions) + 1
        return [Applied(command.name, version, command.digest, command.definition, command.by, command.command)]

    def evolve(self, state: State, event: Said, at: int) -> State:
        state.at = at
        match event:
            case Applied(name, version, digest, definition, by):
                state.name, state.archived = name, False
                state.versions.append(Version(version, digest, at, by, definition))
            case Archived():
                state.archived = True
            case Confirmed():
                pass
        if event.command:
            state.commands[event.command] = 0 if isinstance(event, Archived) else event.version
            while len(state.commands) > COMMANDS_MAX:
                del state.commands[next(iter(state.commands))]
        return state

    def answer(self, state: State, command: Command) -> Kept:
        version = command.version if isinstance(command, Show) else state.commands.get(command.command, 0)
        found = _version(state, version)
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


def _confirmed(command: Apply | Archive, version: int) -> Sequence[Said]:
    """Nothing changes, which is recorded only where the command has a name: a repeat of it must not change anything later either."""
    return (Confirmed(command.command, version),) if command.command else ()


def _must_be_the_same(state: State, command: Apply | Archive) -> None:
    """Refused where the command is known by its name, and was another."""
    version = state.commands[command.command]
    known = state.versions[version - 1].digest if version else ""
    if known != (command.digest if isinstance(command, Apply) else ""):
        raise Refused("this command was another one", who=f"definition {state.name!r}", where="command, or Idempotency-Key",
                      expected=f"what it led to: version {version}" if version else "that the definition is archived",
                      found="something else", instead="give what is new a name of its own")


def _must_expect(state: State, expected: int) -> None:
    newest = len(state.versions)
    if expected not in (-1, newest):
        raise Refused("somebody else has applied another version", who=f"definition {state.name!r}", where=EXPECTED,
                      expected=str(expected), found=f"{newest}, the newest",
                      instead="look at that version, then apply yours on top of it")
