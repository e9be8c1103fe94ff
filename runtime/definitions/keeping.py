"""Where requests about definitions are judged: texts are checked, the actor of each name keeps its versions, and a run is bound to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Any, ParamSpec, TypeVar

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ...eventlog.errors import Invalid, NotFound, Refused, TooLarge
from ...eventlog.guard import guard
from ...eventlog.log import Heads, Summary
from ...eventlog.search import Search
from ...eventlog.streams import escape, parts_of, stream_of
from ..authoring.steps import current
from ..authoring.words import moment
from ..authoring.workflows import Registry
from ..kinds import definition as kind
from ..perform.ports import Threads
from ..requests import StartDefinition, StartRun
from ..requests.definitions import (
    AnyDefined,
    AnyDefining,
    ApplyDefinition,
    ArchiveDefinition,
    CheckDefinition,
    DefinitionFaults,
    DefinitionLine,
    DefinitionPage,
    DefinitionReply,
    DefinitionVersion,
    ListDefinitions,
    ListStepTypes,
    ShowDefinition,
    StepTypes,
)
from ..requests.paging import must_be_a_page
from .checking import bound_or_raise, check, check_text, inputs_for
from .faults import Fault, refusal
from .finding import Found, Wanted
from .interpreter import NAME
from .model import Bound, canonical
from .types import Types

BYTES_MAX = 512 * 1024
"""Of the canonical bytes of a definition."""

CALLS_MAX = 32
"""Runs of definitions below each other."""

SMALL = 4096
"""Characters of a definition that is read at once."""


P = ParamSpec("P")
R = TypeVar("R")

Ask = Callable[[str, Any], Awaitable[Any]]


class DefinitionKeeping:
    """Answers for a runtime, which says how actors are asked, which heads there are, and which types it performs."""

    def __init__(self, ask: Ask, heads: Heads, types: Types, registry: Callable[[], Registry], threads: Threads) -> None:
        self._ask = ask
        self._heads = heads
        self.types = types
        self._registry = registry
        self._threads = threads

    async def do(self, request: AnyDefining) -> AnyDefined:
        """The reply; raises what the request is declined with."""
        match request:
            case ApplyDefinition():
                return _reply(await self._apply(request))
            case ArchiveDefinition(name=name):
                command = kind.Archive(request.by, request.why, request.expected, request.command)
                return _reply(await self._asked(request.tenant, name, command))
            case ShowDefinition(name=name):
                return _reply(await self._asked(request.tenant, name, kind.Show(request.version)))
            case ListDefinitions():
                return await self._list(request)
            case CheckDefinition(text=text):
                checked = await self._aside(len(text), check_text, text, self.types)
                return DefinitionFaults(checked.faults, {} if checked.bound is None else msgspec.to_builtins(checked.bound.definition))
            case ListStepTypes():
                return StepTypes(self.types.lines())

    async def start_of(self, request: StartDefinition) -> StartRun:
        """The start of the run that a request wants, bound to one version of the definition, its inputs checked."""
        given = _inputs(request)
        if bool(request.text) == bool(request.definition):
            raise Invalid("a run of a definition begins by one thing", who="start of a definition", where="definition, text",
                          expected="the name of a saved definition, or a text", found="both" if request.text else "neither",
                          instead="leave one of them out")
        if request.text:
            bound = await self._aside(len(request.text), bound_or_raise, request.text, self.types)
            bound = replace(bound, digest=sha256(canonical(bound.definition)).hexdigest())
        else:
            bound = await self.bind(request.tenant, request.definition, request.number)
        inputs = inputs_for(bound.definition, given)
        fields = {name: getattr(request, name) for name in StartRun.__struct_fields__ if name not in ("workflow", "version", "arguments")}
        return StartRun(workflow=NAME, version=1, arguments=Raw(msgspec.json.encode([bound, inputs], order="deterministic")), **fields)

    async def find(self, wanted: Wanted) -> Found:
        """What a definition calls, as it is when the call begins; performed as a step."""
        if wanted.workflow:
            known = self._registry()
            version = wanted.version or known.newest(wanted.workflow).version
            return Found(known.known_or_raise(wanted.workflow, version).version)
        if wanted.depth >= CALLS_MAX:
            raise Refused("definitions call each other too deeply", who=f"definition {wanted.definition!r}", where="config.definition",
                          expected=f"at most {CALLS_MAX} calls below each other", found="one more",
                          instead="give the call a 'when' that ends it, or use a step of type loop or map")
        bound = await self.bind(parts_of(current().stream)[1], wanted.definition, wanted.version)
        return Found(bound=replace(bound, depth=wanted.depth + 1), inputs=inputs_for(bound.definition, wanted.inputs))

    async def bind(self, tenant: str, name: str, version: int) -> Bound:
        """A version of a saved definition, with what its expressions name; Refused where it is archived."""
        kept = await self._asked(tenant, name, kind.Show(version))
        if kept.archived:
            raise Refused("the definition is archived", who=f"definition {name!r}", where="start", expected="one that is not archived",
                          found="an archived one", instead="apply it again, or start another")
        plain = msgspec.json.decode(bytes(kept.definition))
        checked = await self._aside(len(kept.definition), check, plain, self.types)
        if checked.bound is None:
            fault = checked.faults[0]
            raise Refused(f"the definition cannot be run here: {fault.message}", who=f"definition {name!r} version {kept.version}",
                          where=fault.path, expected=fault.expected, found=fault.found, instead=fault.instead)
        return replace(checked.bound, version=kept.version, digest=kept.digest)

    async def _apply(self, asked: ApplyDefinition) -> kind.Kept:
        bound = await self._aside(len(asked.text), bound_or_raise, asked.text, self.types)
        definition = bound.definition
        if asked.name not in ("", definition.name):
            raise refusal([Fault("$.name", "the definition has another name", asked.name, definition.name,
                                 "write the name that it is kept under, or keep it under its own")], "the definition")
        data = canonical(definition)
        if len(data) > BYTES_MAX:
            raise TooLarge("the definition is too large", who=f"definition {definition.name!r}", expected=f"at most {BYTES_MAX} bytes",
                           found=f"{len(data)} bytes", instead="divide it into definitions that call each other by a step of type workflow")
        command = kind.Apply(definition.name, sha256(data).hexdigest(), Raw(data), asked.expected, asked.by, asked.command)
        return await self._asked(asked.tenant, definition.name, command)

    async def _aside(self, size: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a function gives that takes its time with much to read: then it keeps nobody else waiting."""
        if size <= SMALL:
            return function(*args, **kwargs)
        found: R = await self._threads.look(partial(function, *args, **kwargs))
        return found

    async def _asked(self, tenant: str, name: str, command: kind.Command) -> kind.Kept:
        try:
            kept: kind.Kept = await self._ask(stream_of(kind.NAME, tenant, name), command)
        except NotFound as error:
            error.who = f"definition {name!r}"
            raise
        return kept

    async def _list(self, asked: ListDefinitions) -> DefinitionPage:
        must_be_a_page(asked.limit)
        search = Search(prefix=f"{kind.NAME}/{escape(asked.tenant)}/", status=None if asked.archived else "active")
        after = stream_of(kind.NAME, asked.tenant, asked.after) if asked.after else ""
        found = await self._heads.find(search, after=after, limit=asked.limit + 1)
        shown = found[: asked.limit]
        return DefinitionPage([_line(one) for one in shown], parts_of(shown[-1].stream)[2] if len(found) > asked.limit else None)


def _inputs(request: StartDefinition) -> dict[str, Any]:
    try:
        return msgspec.json.decode(guard(bytes(request.inputs), "inputs"), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Invalid("the inputs are no object", who="start of a definition", where="inputs", expected="a JSON object by name",
                      found=str(error), instead='write for example {"order": "o-1"}') from error


def _reply(kept: kind.Kept) -> DefinitionReply:
    history = [DefinitionVersion(one.version, one.digest, moment(one.at), one.by) for one in kept.history]
    return DefinitionReply(kept.name, kept.version, kept.digest, moment(kept.at), kept.by, kept.archived, history, kept.definition)


def _line(summary: Summary) -> DefinitionLine:
    head, about = summary.head, msgspec.json.decode(summary.head.attributes)
    archived = head.status == "archived"
    return DefinitionLine(head.title, about["version"], about["digest"], archived, moment(head.started_at), moment(head.changed_at))


