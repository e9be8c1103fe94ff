"""JSON Schemas of what the doors take and give, made from the types themselves.

`python -m perdure.adapters.nats.doors.schemas` writes them out, as docs/nats_schemas.json has them.
"""

from __future__ import annotations

import sys
from typing import Any, get_args

import msgspec
from msgspec import Struct, defstruct

from ....runtime.plain_types import plain_field, plain_type
from ....runtime.requests import AnyList, AnyPage, AnyReply, AnyRequest
from ....runtime.requests.definitions import AnyDefined, AnyDefining
from .answers import AnyAnswer
from .broadcast import RunEvents
from .subjects import VERBS, Verb

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, Any]:
    """By name, below `$defs`: `Answer` to a subject, `<verb>.body`, `Events` of a run, and `Request` and `Reply` for whole ones."""
    bodies = {verb: _body(verb, known) for verb, known in VERBS.items() if known.body == "options"}
    whole_ones = AnyRequest | AnyList | AnyDefining, AnyReply | AnyPage | AnyDefined
    types: list[Any] = [*map(_plain_union, (AnyAnswer, RunEvents, *whole_ones)), *bodies.values()]
    (answer, events, request, reply, *shown), parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    whole = {"Answer": answer, "Events": events, "Request": request, "Reply": reply}
    by_verb = {f"{verb}.body": schema for verb, schema in zip(bodies, shown, strict=True)}
    calls = {f"{verb}.body": _whole(known) for verb, known in VERBS.items() if known.body != "options"}
    return {"$schema": DRAFT, "$defs": {**whole, "start.body": CALL, **calls, **by_verb, **parts}}


CALL: dict[str, Any] = {
    "description": "Arguments: an array in the order of the parameters, or an object by their names; nothing for none.",
    "type": ["array", "object"],
}


def _whole(verb: Verb) -> dict[str, Any]:
    return CALL if verb.body == "arguments" else {"description": "Any JSON value; nothing for null."}


def _body(verb: str, known: Verb) -> type[Struct]:
    """The object that the body of a verb may be."""
    given = [plain_field(field) for field in known.options.values()]
    made: type[Struct] = defstruct(f"{verb.capitalize()}Body", given, kw_only=True, forbid_unknown_fields=True)
    return made


def _plain_union(types: Any) -> Any:
    """The types with plain values where they keep raw ones, which have no schema."""
    plain: Any = None
    for kind in get_args(types) or (types,):
        plain = plain_type(kind) if plain is None else plain | plain_type(kind)
    return plain


def text() -> str:
    """The schemas as a page of JSON."""
    return msgspec.json.format(msgspec.json.encode(schemas()), indent=1).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
