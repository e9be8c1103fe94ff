"""What `perdure definitions` finds and says.

Workers in NATS are asked, or a service over HTTP; a file must be one that nobody else holds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...eventlog.errors import Invalid, NotFound
from ...runtime.calling import Calling
from ...runtime.definitions.checking import check_text
from ...runtime.definitions.comparing import as_yaml
from ...runtime.definitions.comparing import difference as unified
from ...runtime.definitions.faults import Fault
from ...runtime.definitions.model import Definition, canonical
from ...runtime.definitions.reading import read
from ...runtime.definitions.types import TypeLine
from ...runtime.requests import Applied, AwaitRun
from ...runtime.requests.definitions import DefinitionPage, DefinitionReply
from ...runtime.settings import Settings
from ..compose import deciding
from ..compose import open as open_runtime
from .asking import asked_at
from .console import console_for_errors, say_columns
from .places import is_over_http, is_served, path_of, url_of
from .running import GRACE_SECONDS
from .using import types_in


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


@asynccontextmanager
async def caller_of(log: str, modules: Sequence[str] = (), *, exists: bool = True) -> AsyncGenerator[Calling]:
    """Who answers for a log."""
    url = url_of(log)
    if is_served(url):
        async with asked_at(url) as client:
            yield client
        return
    if exists:
        path_of(log)
    async with deciding(url, (), types_in(modules)) as runtime:
        yield runtime


async def apply_file(  # noqa: PLR0917 - handed on by its places
    log: str, file: str, modules: Sequence[str], expected: int | None, by: str, tenant: str
) -> DefinitionReply:
    text = text_of(file)
    async with caller_of(log, modules, exists=False) as caller:
        return await caller.apply_definition(text, expected=expected, by=by, tenant=tenant)


async def archive_one(log: str, name: str, by: str, why: str, tenant: str) -> DefinitionReply:
    async with caller_of(log) as caller:
        return await caller.archive_definition(name, by=by, why=why, tenant=tenant)


async def list_all(log: str, archived: bool, tenant: str) -> DefinitionPage:  # noqa: FBT001 - handed on by its place
    async with caller_of(log) as caller:
        page = await caller.definitions(archived=archived, tenant=tenant, limit=1000)
        while page.after is not None:
            more = await caller.definitions(archived=archived, tenant=tenant, after=page.after, limit=1000)
            page = DefinitionPage([*page.definitions, *more.definitions], more.after)
        return page


async def shown(log: str, name: str, version: int, tenant: str) -> DefinitionReply:
    async with caller_of(log) as caller:
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


def perform(log: str, target: str, inputs: str, id: str, modules: Sequence[str], *, quiet: bool) -> Applied | None:
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


async def _run(log: str, definition: str, inputs: dict[str, Any], id: str, modules: Sequence[str], *, quiet: bool) -> Applied:
    from .loading import load_module, workflows_of

    if is_over_http(url_of(log)):
        async with asked_at(url_of(log)) as client:
            run = await client.start_definition(definition, inputs, id=id)
            return await _to_its_end(client, run.id, quiet=quiet)
    types, flows = types_in(modules), [flow for module in modules for flow in workflows_of(load_module(module))]
    settings = msgspec.structs.replace(Settings.of(os.environ), drain_seconds=GRACE_SECONDS)
    opened = open_runtime(url_of(log), workflows=flows, settings=settings, step_types=types.given, steps=types.steps.values())
    async with opened as runtime:
        run = await runtime.start_definition(definition, inputs, id=id)
        return await _to_its_end(runtime, run.id, quiet=quiet)


async def _to_its_end(caller: Calling, run: str, *, quiet: bool) -> Applied:
    if not quiet:
        console_for_errors().print(Text.assemble(("run ", "dim"), (run, "bold")))
    return await caller.do(AwaitRun(run=run))


def draw_faults(out: Console, found: FaultsFound) -> None:
    if not found.faults:
        out.print(Text.assemble(("✓ ", "green"), f"{found.file} can be run"))
        return
    for fault in found.faults:
        place = f"{found.file}:{fault.line}" if fault.line else found.file
        out.print(Text.assemble(("✗ ", "bold red"), (f"{place}: ", "bold"), fault.message))
        parts = {"where": fault.path, "expected": fault.expected, "found": fault.found, "instead": fault.instead}
        say_columns(out, {name: text for name, text in parts.items() if text})


def draw_kept(out: Console, kept: DefinitionReply) -> None:
    state = "  archived" if kept.archived else ""
    out.print(Text.assemble(("✓ ", "green"), (kept.name, "bold"), f"  version {kept.version}{state}", (f"  {kept.digest[:16]}", "dim")))


def draw_list(out: Console, page: DefinitionPage) -> None:
    if not page.definitions:
        out.print(Text("no definitions", style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("definition", "version", "status", "changed"):
        table.add_column(column)
    for line in page.definitions:
        status = "archived" if line.archived else "active"
        table.add_row(Text(line.name), str(line.version), status, f"{line.changed:%Y-%m-%d %H:%M:%S}")
    out.print(table)


def draw_shown(out: Console, kept: DefinitionReply) -> None:
    told = console_for_errors()
    for one in kept.history:
        mark = "▶" if one.version == kept.version else " "
        by = f"  {one.by}" if one.by else ""
        told.print(Text(f"{mark} version {one.version}  {one.at:%Y-%m-%d %H:%M:%S}  {one.digest[:16]}{by}", style="dim"))
    out.print(Text(as_yaml(msgspec.json.decode(bytes(kept.definition)))), soft_wrap=True, end="")


def draw_difference(out: Console, lines: list[str]) -> None:
    if not lines:
        out.print(Text.assemble(("✓ ", "green"), "both say the same"))
    for line in lines:
        out.print(Text(line, style={"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")), soft_wrap=True)


def draw_types(out: Console, types: Sequence[TypeLine]) -> None:
    for line in types:
        out.print(Text.assemble((line.name, "bold"), f"  {line.description}"), soft_wrap=True)
        out.print(Text(f"  {msgspec.json.encode(line.example).decode()}", style="dim"), soft_wrap=True)
