"""What `perdure definitions` finds and says.

Workers in NATS are asked, or a service over HTTP; a file must be one that nobody else holds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
from msgspec import Struct
from rich.text import Text

from ....eventlog.errors import Invalid, NotFound
from ....runtime.calling import Calling
from ....runtime.definitions.checking import check_text
from ....runtime.definitions.comparing import difference as unified
from ....runtime.definitions.faults import Fault
from ....runtime.definitions.model import Definition, canonical
from ....runtime.definitions.reading import read
from ....runtime.requests import Applied, AwaitRun
from ....runtime.requests.definitions import DefinitionPage, DefinitionReply
from ...compose import open as open_runtime
from ...urls import is_over_http
from ..running.performing import GRACE_SECONDS
from ..shared.callers import asked_at, caller_of
from ..shared.console import console_for_errors
from ..shared.environment import settings
from ..shared.offering import types_in
from ..shared.places import url_of


class FaultsFound(Struct, frozen=True):
    """What is wrong with a file."""

    file: str
    faults: list[Fault]


def text_of(file: str) -> str:
    """The text of a file, or of stdin for `-`."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound("there is no such file", who=file, where="FILE", expected="a definition in YAML or JSON", found="nothing there",
                       instead="correct the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("the file cannot be read", who=file, where="FILE", expected="text in UTF-8", found=str(error),
                      instead="correct it") from error


def faults_in(file: str, modules: Sequence[str]) -> FaultsFound:
    return FaultsFound(file, check_text(text_of(file), types_in(modules)).faults)


async def apply_file(  # noqa: PLR0917 - handed on by its places
    log: str, file: str, modules: Sequence[str], expected: int | None, by: str, tenant: str
) -> DefinitionReply:
    text = text_of(file)
    async with caller_of(log, exists=False, types=partial(types_in, modules)) as caller:
        return await caller.apply_definition(text, expected=expected, by=by, tenant=tenant)


async def archive_one(log: str, name: str, by: str, why: str, tenant: str) -> DefinitionReply:
    async with caller_of(log, exists=True) as caller:
        return await caller.archive_definition(name, by=by, why=why, tenant=tenant)


async def list_all(log: str, archived: bool, tenant: str) -> DefinitionPage:  # noqa: FBT001 - handed on by its place
    async with caller_of(log, exists=True) as caller:
        page = await caller.definitions(archived=archived, tenant=tenant, limit=1000)
        while page.after is not None:
            more = await caller.definitions(archived=archived, tenant=tenant, after=page.after, limit=1000)
            page = DefinitionPage([*page.definitions, *more.definitions], more.after)
        return page


async def shown(log: str, name: str, version: int, tenant: str) -> DefinitionReply:
    async with caller_of(log, exists=True) as caller:
        return await caller.definition(name, version=version, tenant=tenant)


async def difference(log: str, old: str, new: str, tenant: str) -> list[str]:
    """The lines of a unified difference; none where both say the same."""
    before, after = [await _side(log, side, tenant) for side in (old, new)]
    return list(unified(before, after, (old, new)))


async def _side(log: str, side: str, tenant: str) -> Any:
    if _is_file(side):
        plain = read(text_of(side), side)[0]
        try:
            return msgspec.json.decode(canonical(msgspec.convert(plain, Definition)))
        except msgspec.ValidationError:
            return plain  # no definition yet: as it is written
    name, _, version = side.partition("@")
    if version and not version.isdecimal():
        raise Invalid("that names no version", who=side, expected="NAME@VERSION, such as order@2", found=version, instead="give its number")
    return msgspec.json.decode(bytes((await shown(log, name, int(version or 0), tenant)).definition))


def _is_file(target: str) -> bool:
    return Path(target).is_file()


def perform(log: str, target: str, inputs: str, id: str | None, modules: Sequence[str], *, quiet: bool) -> Applied | None:
    """Run to the end; None after Ctrl-C."""
    try:
        given = msgspec.json.decode(inputs, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Invalid("the inputs are no object", who="--inputs", expected="a JSON object of the inputs by name", found=str(error),
                      instead="""write for example --inputs '{"order": "o-1"}'""") from error
    definition = text_of(target) + "\n" if _is_file(target) else target
    try:
        return anyio.run(partial(_run, log, definition, given, id, modules, quiet=quiet))
    except KeyboardInterrupt:
        return None


async def _run(log: str, definition: str, inputs: dict[str, Any], id: str | None, modules: Sequence[str], *, quiet: bool) -> Applied:
    from ..shared.loading import load_module, workflows_of

    if is_over_http(url_of(log)):
        async with asked_at(url_of(log)) as client:
            run = await client.start_definition(definition, inputs, id=id)
            return await _to_its_end(client, run.id, quiet=quiet)
    types, flows = types_in(modules), [flow for module in modules for flow in workflows_of(load_module(module))]
    of_a_run = settings(drain_seconds=GRACE_SECONDS)
    opened = open_runtime(url_of(log), workflows=flows, settings=of_a_run, step_types=types.given, steps=types.steps.values())
    async with opened as runtime:
        run = await runtime.start_definition(definition, inputs, id=id)
        return await _to_its_end(runtime, run.id, quiet=quiet)


async def _to_its_end(caller: Calling, run: str, *, quiet: bool) -> Applied:
    if not quiet:
        console_for_errors().print(Text.assemble(("run ", "dim"), (run, "bold")))
    return await caller.do(AwaitRun(run=run))
