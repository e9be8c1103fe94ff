"""Runs of definitions over HTTP: of one that is kept, and of one that the request brings along."""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from ...eventlog.errors import Invalid
from ...runtime.requests import Applied, StartDefinition
from ...runtime.run.commands import OnConflict, Reuse
from .definitions import DEFINITION
from .operations import Answer, Call, Operation
from .runs import ROOT, Within, begun


class RunBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`inputs` by their names, `version` of the definition, 0 for the newest; `run` is the id of the run, made up where it is empty."""

    inputs: dict[str, Any] = {}
    version: int = 0
    run: str = ""
    delay: float = 0.0
    deadline: float | None = None
    on_conflict: OnConflict = "existing"
    reuse: Reuse = "never"
    on_end: str = ""


class AdhocBody(RunBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A definition, as an object, or as a text in YAML or JSON; the rest is as for one that is kept."""

    definition: Annotated[Raw, Meta(extra_json_schema={"type": ["object", "string"]})]


async def run(call: Call) -> Answer:
    body: RunBody = call.given()
    return await _begun(call, body, definition=call.parts["definition_name"], number=body.version)


async def run_adhoc(call: Call) -> Answer:
    body: AdhocBody = call.given()
    if body.version:
        raise Invalid("a definition that is not kept has no version", who="the body", where="$.version", expected="none",
                      found=str(body.version), instead="leave it out, or run one that is kept by its name")
    return await _begun(call, body, text=text_in(body.definition))


def text_in(given: Raw) -> str:
    """The definition as a text: lines count from where it begins in the body."""
    text = bytes(given).decode()
    return msgspec.json.decode(text, type=str) if text.startswith('"') else text


async def _begun(call: Call, body: RunBody, *, definition: str = "", number: int = 0, text: str = "") -> Answer:
    """Under an Idempotency-Key the first answer counts, though the newest version be another by now."""
    inputs = Raw(msgspec.json.encode(body.inputs))
    command = call.command
    if command:
        asked = blake2b(digest_size=12)
        for part in (definition.encode(), b"%d" % number, text.encode(), inputs):
            asked.update(b"%d:%b" % (len(part), bytes(part)))
        command = f"{command}:{asked.hexdigest()}"
    return await begun(call, StartDefinition(
        definition=definition, number=number, text=text, inputs=inputs, run=body.run, delay=body.delay, deadline=body.deadline,
        on_conflict=body.on_conflict, reuse=body.reuse, on_end=body.on_end, trace=call.trace, by=call.principal.user,
        tenant=call.tenant, command=command, within=call.within,
    ))  # fmt: skip


OPERATIONS = (
    Operation(name="definitions.run", method="POST", path=f"{DEFINITION}/run", of=StartDefinition, body=RunBody, perform=run, params=Within,
              answers={201: Applied}, summary="Start a run of a definition that is kept"),
    Operation(name="definitions.run_adhoc", method="POST", path=f"{ROOT}/run", of=StartDefinition, body=AdhocBody, perform=run_adhoc,
              params=Within, answers={201: Applied}, summary="Start a run of a definition that is not kept"),
)  # fmt: skip
