"""Definitions over HTTP: workflows as data, kept in versions, compared, and the types of steps that they may have."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ...eventlog.errors import Invalid, NotFound, Refused
from ...runtime.definitions.comparing import difference
from ...runtime.definitions.model import schema
from ...runtime.kinds.definition import EXPECTED
from ...runtime.requests.definitions import DefinitionFaults, DefinitionPage, DefinitionReply, StepTypes
from .etags import Stale, is_had, is_meant, must_be_meant, tag_of
from .operations import JSON, Answer, Call, Operation
from .runs import ROOT

DEFINITIONS = f"{ROOT}/definitions"
DEFINITION = f"{DEFINITIONS}/{{definition_name}}"

YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


class CreateParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`expected`: the version that is the newest by now, 0 for none, -1 for whatever it is. `name`: only where it has this name."""

    expected: int = 0
    name: str = ""


class DefinitionParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`archived`: those, too. `after`: the `after` of the page before."""

    archived: bool = False
    after: str | None = None
    limit: int = 100


class VersionParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`version`: 0 for the newest."""

    version: int = 0


class DiffParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`new`: a version, 0 for the newest. `old`: the version to compare with, 0 for the one before."""

    old: int = 0
    new: int = 0


class ArchiveParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`expected`: the version that is the newest by now, -1 for whatever it is. `why`: kept in the log."""

    expected: int = -1
    why: str = ""


class DefinitionDiff(Struct, frozen=True):
    """How two versions differ: the lines of a unified difference, as YAML; none where both say the same."""

    name: str
    old: int
    new: int
    lines: tuple[str, ...]


async def listed(call: Call) -> Answer:
    params: DefinitionParams = call.params
    return Answer(await call.runtime.definitions(
        archived=params.archived, tenant=call.tenant, after=params.after, limit=params.limit
    ))  # fmt: skip


async def create(call: Call) -> Answer:
    params: CreateParams = call.params
    kept = await call.runtime.apply_definition(
        text_of(call), expected=params.expected, name=params.name, by=call.principal.user, command=call.command, tenant=call.tenant
    )
    return Answer(kept, headers=headers_of(kept) | {"location": f"{call.root}{DEFINITIONS}/{quote(kept.name, safe='')}"})


async def renew(call: Call) -> Answer:
    """By `If-Match` only what was seen is built upon; by `If-None-Match: *` nothing that is there."""
    expected = await _meant(call)
    if call.headers.get("if-none-match", "").strip() == "*":
        expected = 0
    with _by_headers(call):
        kept = await call.runtime.apply_definition(
            text_of(call), expected=expected, name=_name(call), by=call.principal.user, command=call.command, tenant=call.tenant
        )
    return Answer(kept, headers=headers_of(kept))


async def shown(call: Call) -> Answer:
    params: VersionParams = call.params
    kept = await call.runtime.definition(_name(call), version=params.version, tenant=call.tenant)
    if is_had(call.headers.get("if-none-match", ""), kept.digest):
        return Answer(None, 304, headers_of(kept))
    return Answer(kept, headers=headers_of(kept))


async def archive(call: Call) -> Answer:
    params: ArchiveParams = call.params
    meant = await _meant(call)
    expected = params.expected if meant is None else meant
    with _by_headers(call):
        kept = await call.runtime.archive_definition(
            _name(call), expected=expected, by=call.principal.user, why=params.why, command=call.command, tenant=call.tenant
        )
    return Answer(kept, headers=headers_of(kept))


async def compared(call: Call) -> Answer:
    params: DiffParams = call.params
    new = await call.runtime.definition(_name(call), version=params.new, tenant=call.tenant)
    old = await call.runtime.definition(_name(call), version=params.old or max(1, new.version - 1), tenant=call.tenant)
    before, after = (msgspec.json.decode(bytes(side.definition)) for side in (old, new))
    lines = difference(before, after, (f"{old.name}@{old.version}", f"{new.name}@{new.version}"))
    return Answer(DefinitionDiff(new.name, old.version, new.version, tuple(lines)))


async def checked(call: Call) -> Answer:
    return Answer(await call.runtime.check_definition(text_of(call)))


async def types(call: Call) -> Answer:
    return Answer(await call.runtime.step_types())


async def schema_of(call: Call) -> Answer:
    return Answer(schema())


def text_of(call: Call) -> str:
    """The body as a text in YAML or JSON."""
    try:
        return call.body.decode()
    except UnicodeDecodeError as error:
        raise Invalid("the body is no text", who="the body", where=f"byte {error.start}", expected="a definition in YAML or JSON, in UTF-8",
                      found=error.reason, instead="send it in UTF-8") from error


def headers_of(kept: DefinitionReply) -> dict[str, str]:
    return {"etag": tag_of(kept.digest), "cache-control": "private, no-cache"}


async def _meant(call: Call) -> int | None:
    """The version that `If-Match` names by its digest; None where there is no such header.

    Under an Idempotency-Key it may be an older one: the actor knows whether that is a repeat of what came of it.
    """
    header = call.headers.get("if-match", "")
    if not header:
        return None
    try:
        newest = await call.runtime.definition(_name(call), tenant=call.tenant)
    except NotFound:
        must_be_meant(header, "", f"definition {_name(call)!r}")
        raise
    for one in reversed(newest.history if call.command else ()):
        if is_meant(header, one.digest):
            return one.version
    must_be_meant(header, newest.digest, f"definition {newest.name!r}")
    return newest.version


@contextmanager
def _by_headers(call: Call) -> Generator[None]:
    """What a header of the request asks for and does not hold is 412, also where it was true a moment before."""
    try:
        yield
    except Refused as error:
        asked = [name for name in ("if-match", "if-none-match") if call.headers.get(name)]
        if error.where != EXPECTED or not asked:
            raise
        raise Stale(error.message, who=error.who, where=f"header {asked[0]}", expected=error.expected, found=error.found,
                    instead=error.instead) from error


def _name(call: Call) -> str:
    return call.parts["definition_name"]


STALE = (Stale.http_status,)
IF_MATCH = {"If-Match": "The ETag of the newest version, so that nobody else's is overwritten"}

OPERATIONS = (
    Operation(name="step_types", method="GET", path=f"{ROOT}/step-types", perform=types, answers={200: StepTypes},
              summary="The types of steps: JSON Schema, an example, the release that each needs, and its defaults"),
    Operation(name="definitions.list", method="GET", path=DEFINITIONS, perform=listed, params=DefinitionParams,
              answers={200: DefinitionPage}, summary="List definitions by name"),
    Operation(name="definitions.create", method="POST", path=DEFINITIONS, perform=create, params=CreateParams, whole="definition",
              takes=(JSON, *YAML), answers={201: DefinitionReply}, summary="Keep a definition under its name"),
    Operation(name="definitions.show", method="GET", path=DEFINITION, perform=shown, params=VersionParams,
              answers={200: DefinitionReply, 304: None}, headers={"If-None-Match": "The ETag of what you have"},
              summary="A version of a definition, and the history of all"),
    Operation(name="definitions.renew", method="PUT", path=DEFINITION, perform=renew, whole="definition", takes=(JSON, *YAML),
              answers={200: DefinitionReply}, problems=STALE,
              headers=IF_MATCH | {"If-None-Match": "*: only where there is none by this name"},
              summary="Keep a new version of a definition; with If-Match only on top of the one with that ETag"),
    Operation(name="definitions.archive", method="DELETE", path=DEFINITION, perform=archive, params=ArchiveParams,
              answers={200: DefinitionReply}, problems=STALE, headers=IF_MATCH,
              summary="Let nothing begin by a definition until it is applied again; runs that have begun go on"),
    Operation(name="definitions.diff", method="GET", path=f"{DEFINITION}/diff", perform=compared, params=DiffParams,
              answers={200: DefinitionDiff}, summary="How two versions of a definition differ"),
    Operation(name="definitions.validate", method="POST", path=f"{ROOT}/validate", perform=checked, whole="definition",
              takes=(JSON, *YAML), answers={200: DefinitionFaults}, summary="All that is wrong with a definition; nothing is kept"),
    Operation(name="definitions.schema", method="GET", path=f"{ROOT}/definition-schema", perform=schema_of, answers={200: dict[str, Any]},
              summary="JSON Schema of a definition"),
)  # fmt: skip
