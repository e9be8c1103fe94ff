"""The methods by which definitions are kept and run, the same in the process that serves them and far away from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Raw

from ...eventlog.errors import Refused
from ..authoring.values import as_json
from ..requests import Applied, StartDefinition
from ..run.commands import OnConflict, Reuse
from .given import id_of, seconds, seconds_or_none

if TYPE_CHECKING:
    from ..requests.definitions import AnyDefined, AnyDefining, DefinitionFaults, DefinitionPage, DefinitionReply, StepTypes
    from . import Calling
    from .handle import RunHandle


class Describing:
    """A caller's words for workflows as data. A definition is a text in YAML or JSON, or the same as a dict."""

    async def _define(self, request: AnyDefining) -> AnyDefined:
        """The reply to a request about definitions; raises what it is declined with."""
        raise Refused("no definitions are kept here", who=type(self).__name__, where=str(request.__struct_config__.tag),
                      expected="a runtime, or a client of one", found="a caller that knows runs alone", instead="ask a runtime")

    async def apply_definition(
        self, text: str | Mapping[str, Any], *, expected: int | None = None, name: str = "", by: str = "", command: str = "",
        tenant: str = "default",
    ) -> DefinitionReply:  # fmt: skip
        """Check a definition and keep it as the newest version of its name; Invalid, with all faults, where it cannot be run.

        The same content again is the version that is there. With `expected` only where that is the newest version, 0 for none;
        else Refused. With `name` only where it has this name; else Invalid. Under one `command` it counts once, whatever was applied since.
        """
        from ..requests.definitions import ApplyDefinition

        newest = -1 if expected is None else expected
        asked = ApplyDefinition(text=_text(text), expected=newest, by=by, name=name, command=command, tenant=tenant)
        return cast("DefinitionReply", await self._define(asked))

    async def archive_definition(
        self, name: str, *, expected: int | None = None, by: str = "", why: str = "", command: str = "", tenant: str = "default"
    ) -> DefinitionReply:
        """Let nothing begin by this name until it is applied again. Runs that have begun go on, and all versions can be read.

        Under one `command` it counts once.
        """
        from ..requests.definitions import ArchiveDefinition

        newest = -1 if expected is None else expected
        asked = ArchiveDefinition(name=name, expected=newest, by=by, why=why, command=command, tenant=tenant)
        return cast("DefinitionReply", await self._define(asked))

    async def definition(self, name: str, *, version: int = 0, tenant: str = "default") -> DefinitionReply:
        """A version of a definition, 0 for the newest, and the history of all; NotFound where there is none."""
        from ..requests.definitions import ShowDefinition

        return cast("DefinitionReply", await self._define(ShowDefinition(name=name, version=version, tenant=tenant)))

    async def definitions(
        self, *, archived: bool = False, tenant: str = "default", after: str | None = None, limit: int = 100
    ) -> DefinitionPage:
        """A page of the definitions by name; go on with `after=page.after`."""
        from ..requests.definitions import ListDefinitions

        asked = ListDefinitions(archived=archived, tenant=tenant, after=after, limit=limit)
        return cast("DefinitionPage", await self._define(asked))

    async def check_definition(self, text: str | Mapping[str, Any]) -> DefinitionFaults:
        """All that is wrong with a definition, each fault with its path and line; nothing is kept."""
        from ..requests.definitions import CheckDefinition

        return cast("DefinitionFaults", await self._define(CheckDefinition(text=_text(text))))

    async def step_types(self) -> StepTypes:
        """All types of steps: JSON Schema, an example, the release that each needs, and its defaults."""
        from ..requests.definitions import ListStepTypes

        return cast("StepTypes", await self._define(ListStepTypes()))

    async def start_definition(
        self, definition: str | Mapping[str, Any], inputs: Mapping[str, Any] | None = None, *, version: int = 0, id: str | None = None,
        command: str = "", tenant: str = "default", delay: timedelta = timedelta(0), deadline: timedelta | None = None,
        on_conflict: OnConflict = "existing", reuse: Reuse = "never", on_end: str = "",
    ) -> RunHandle[Any]:  # fmt: skip
        """Begin a run of a saved definition, by its name, or of one that is given whole: a dict, or a text of more than one line.

        It is bound to the version that is the newest now, or to `version`. The options are those of `start`.
        """
        from .handle import RunHandle

        name = definition if isinstance(definition, str) and "\n" not in definition and not definition.lstrip().startswith("{") else ""
        asked = StartDefinition(
            definition=name, text="" if name else _text(definition), number=version,
            inputs=as_json(dict(inputs or {}), "inputs"), run=id_of(id, "start_definition()"), command=command, tenant=tenant,
            delay=seconds(delay, "start_definition()", "delay"), deadline=seconds_or_none(deadline, "start_definition()", "deadline"),
            on_conflict=on_conflict, reuse=reuse, on_end=on_end,
        )  # fmt: skip
        caller = cast("Calling", self)
        begun: Applied = await caller.do(asked)
        return RunHandle(caller, begun.run, tenant=tenant)


def _text(definition: str | Mapping[str, Any]) -> str:
    if isinstance(definition, str):
        return definition
    raw: Raw = as_json(dict(definition), "definition")
    return msgspec.json.format(bytes(raw), indent=1).decode()
