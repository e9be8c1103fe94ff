"""Requests about definitions, and the replies to them; a run of one begins by `StartDefinition`, which is beside the other starts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Raw, Struct

from ..authoring.values import NOTHING
from ..definitions.faults import Fault
from ..definitions.types import TypeLine
from . import Request


class ApplyDefinition(Request, frozen=True, tag="apply_definition", kw_only=True):
    """Check a definition and keep it as the newest version of its name; the same content again is the version that is there.

    `expected`: only where this is the newest version by now, 0 for none; -1 for whatever it is. `name`: only where it has this name.
    """

    text: str
    expected: int = -1
    by: str = ""
    name: str = ""


class ArchiveDefinition(Request, frozen=True, tag="archive_definition", kw_only=True):
    """Let nothing begin by this name any more; runs that have begun go on, and all versions can still be read."""

    name: str
    expected: int = -1
    by: str = ""
    why: str = ""


class ShowDefinition(Request, frozen=True, tag="show_definition", kw_only=True):
    """Ask for a version of a definition, 0 for the newest."""

    name: str
    version: int = 0


class ListDefinitions(Request, frozen=True, tag="definitions", kw_only=True):
    """A page of the definitions by name; those that are archived only where they are asked for."""

    archived: bool = False
    after: str | None = None
    limit: int = 100


class CheckDefinition(Request, frozen=True, tag="check_definition", kw_only=True):
    """Ask for all faults of a text."""

    text: str


class ListStepTypes(Request, frozen=True, tag="step_types", kw_only=True):
    """Ask for all types of steps."""


AnyDefining = ApplyDefinition | ArchiveDefinition | ShowDefinition | ListDefinitions | CheckDefinition | ListStepTypes


class DefinitionVersion(Struct, frozen=True, omit_defaults=True):
    """When a version was applied, by whom, and the digest of its canonical bytes."""

    version: int
    digest: str
    at: datetime
    by: str = ""


class DefinitionReply(Struct, frozen=True, tag_field="reply", tag="definition"):
    """One version of a definition, and the history of all."""

    name: str
    version: int
    digest: str
    at: datetime
    by: str
    archived: bool
    history: list[DefinitionVersion]
    definition: Raw = NOTHING


class DefinitionLine(Struct, frozen=True):
    """A definition in a list."""

    name: str
    version: int
    digest: str
    archived: bool
    created: datetime
    changed: datetime


class DefinitionPage(Struct, frozen=True, tag_field="reply", tag="definitions"):
    """Some of the definitions; `after` asks for the next page, and is None on the last."""

    definitions: list[DefinitionLine]
    after: str | None


class DefinitionFaults(Struct, frozen=True, tag_field="reply", tag="faults"):
    """All that is wrong with a text; nothing where it can be run. `plain` is then the definition as it would be kept."""

    faults: list[Fault]
    plain: dict[str, Any] = {}


class StepTypes(Struct, frozen=True, tag_field="reply", tag="step_types"):
    """All types of steps, by name."""

    types: list[TypeLine]


AnyDefined = DefinitionReply | DefinitionPage | DefinitionFaults | StepTypes
