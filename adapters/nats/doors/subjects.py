"""Subject, headers and body as a Request: pure, and whatever does not fit is Invalid and says what would.

`start.<workflow>` and `run.<id>.<verb>` stand behind `perdure.<namespace>.`, with a name behind the verbs that need one. Ids and
names are escaped as parts of streams are: `_` and two hexadecimal digits for every other byte than letters, digits and `-`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import FieldInfo, fields

from ....eventlog.errors import Invalid
from ....eventlog.guard import BYTES_MAX, guard
from ....eventlog.streams import escape, unescape
from ....runtime.authoring.values import explained
from ....runtime.requests import (
    AnyRequest,
    AwaitRun,
    CancelRun,
    DecideApproval,
    LookAtRun,
    PauseRun,
    QueryRun,
    Request,
    ResumeRun,
    RetryRun,
    SignalRun,
    SkipStep,
    StartRun,
    TerminateRun,
    UpdateRun,
    UpgradeRun,
)
from ....runtime.translating import TRACE

CALL = list[Any] | dict[str, Any]
"""Arguments: an array in the order of the parameters, or an object by their names."""

MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`(?: - at `(?P<where>[^`]+)`)?")
TOKEN = re.compile(r"(?:[A-Za-z0-9-]|_[0-9a-f]{2})+")


@cache
def fields_of(kind: type[Struct]) -> tuple[FieldInfo, ...]:
    """The fields of a request, found out once: msgspec evaluates annotations each time, for longer than all else takes."""
    return fields(kind)


class Verb(Struct, frozen=True):
    """What a subject asks for: which request, whether a name follows, and what the body is."""

    of: type[AnyRequest]
    named: bool = False
    body: Literal["options", "value", "arguments"] = "options"
    given: Mapping[str, Any] = {}
    """Fields that the verb itself says."""

    @property
    def options(self) -> dict[str, FieldInfo]:
        """The fields that a body may have."""
        said = {"run", *self.given, *(field.name for field in fields_of(Request))}
        return {field.name: field for field in fields_of(self.of) if field.name not in said}


VERBS: Mapping[str, Verb] = {
    "signal": Verb(SignalRun, named=True, body="value"),
    "update": Verb(UpdateRun, named=True, body="arguments"),
    "query": Verb(QueryRun, named=True, body="arguments"),
    "pause": Verb(PauseRun),
    "resume": Verb(ResumeRun),
    "cancel": Verb(CancelRun),
    "terminate": Verb(TerminateRun),
    "retry": Verb(RetryRun),
    "upgrade": Verb(UpgradeRun),
    "skip": Verb(SkipStep),
    "approve": Verb(DecideApproval, given={"outcome": "approved"}),
    "reject": Verb(DecideApproval, given={"outcome": "rejected"}),
    "look": Verb(LookAtRun),
    "result": Verb(AwaitRun),
}

HEADERS: Mapping[str, str] = {"Perdure-Command-Id": "command", "Perdure-Tenant": "tenant", "Perdure-Within": "within"}
"""What a header of any request gives."""

START_HEADERS: Mapping[str, str] = {
    **HEADERS,
    "Perdure-Run-Id": "run",
    "Perdure-Version": "version",
    "Perdure-Delay": "delay",
    "Perdure-Deadline": "deadline",
    "Perdure-On-Conflict": "on_conflict",
    "Perdure-Reuse": "reuse",
    "Perdure-On-End": "on_end",
    "traceparent": "trace",
}
"""What a header of a start gives: its body is the arguments alone."""

OURS = "perdure-"
TOLD = frozenset({"perdure-error", "perdure-origin", "perdure-status", "perdure-cut"})
"""Headers that perdure itself writes: a dead letter may be sent again as it is."""


def request_of(address: str, headers: Mapping[str, str] | None, body: bytes, *, bytes_max: int = BYTES_MAX) -> AnyRequest:
    """The request that a message is; `address` is its subject behind `perdure.<namespace>.`."""
    who = f"subject {address!r}"
    match address.split("."):
        case ["start", workflow]:
            told = _of_headers(who, headers, StartRun, START_HEADERS)
            told |= _whole(who, "arguments", guard(body, who, bytes_max=bytes_max), CALL)
            return StartRun(workflow=_part(who, "workflow", workflow), **told)
        case ["run", id, verb, *name] if verb in VERBS:
            told = _of_headers(who, headers, VERBS[verb].of, HEADERS)
            said = _of_subject(who, VERBS[verb], id, name)
            return VERBS[verb].of(**told, **said, **_of_body(who, VERBS[verb], guard(body, who, bytes_max=bytes_max)))
        case ["run", _, verb, *_]:
            raise _no_subject(who, ", ".join(VERBS), verb)
        case _:
            raise _no_subject(who, "start.<workflow> or run.<id>.<verb>", address)


def _of_subject(who: str, verb: Verb, id: str, name: list[str]) -> dict[str, Any]:
    if len(name) != verb.named:
        raise _no_subject(who, "one name behind the verb" if verb.named else "nothing behind the verb", ".".join(name) or "none")
    said = {"run": _part(who, "id", id), **verb.given}
    return {**said, "name": _part(who, "name", name[0])} if verb.named else said


def _of_body(who: str, verb: Verb, body: bytes) -> dict[str, Any]:
    match verb.body:
        case "value":
            return _whole(who, "value", body, Any)
        case "arguments":
            return _whole(who, "arguments", body, CALL)
        case "options":
            return _options(who, verb.options, body)


def _whole(who: str, field: str, body: bytes, type_: Any) -> dict[str, Any]:
    """The field that the whole body is, as it came; an empty body says nothing."""
    if not body.strip():
        return {}
    _decoded(who, body, type_)
    return {field: Raw(body)}


def _part(who: str, what: str, token: str) -> str:
    """An id or a name, from a token of a subject."""
    try:
        if TOKEN.fullmatch(token) and escape(part := unescape(token)) == token:
            return part
    except UnicodeDecodeError:
        pass
    raise Invalid(f"the {what} in a subject is not escaped", who=who, where=what, found=repr(token),
                  expected="letters, digits, '-', and '_' with two hexadecimal digits",
                  instead=f"write {escape(token)!r} if you mean {token!r}" if token else "write one")


def _of_headers(who: str, headers: Mapping[str, str] | None, kind: type[AnyRequest], known: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a request from its headers; those that are not perdure's are other people's."""
    types = {field.name: field.type for field in fields_of(kind)}
    by_name = {name.lower(): (name, field) for name, field in known.items()}
    said: dict[str, Any] = {}
    for given, text in (headers or {}).items():
        name = given.lower()
        if name not in by_name:
            if not name.startswith(OURS) or name in TOLD:
                continue
            raise Invalid("no such header is known here", who=who, where=f"header {given}", expected=", ".join(known), found=given,
                          instead="leave it out, or correct its name")
        header, field = by_name[name]
        if field == "trace" and not TRACE.fullmatch(text):
            continue  # as its standard asks
        try:
            said[field] = msgspec.convert(text, types[field], strict=False)
        except msgspec.ValidationError as error:
            expected, _, _ = explained(error)
            raise Invalid("a header does not fit", who=who, where=f"header {header}", expected=expected, found=repr(text),
                          instead="correct it, or leave it out") from error
    return said


def _options(who: str, known: Mapping[str, FieldInfo], body: bytes) -> dict[str, Any]:
    """Fields of a request from a JSON object; an empty body is none."""
    given: dict[str, Raw] = _decoded(who, body, dict[str, Raw]) if body.strip() else {}
    said: dict[str, Any] = {}
    for name, raw in given.items():
        if name not in known:
            raise Invalid("the body has a field that is not known here", who=who, where=f"$.{name}",
                          expected=", ".join(known) or "no fields", found=name, instead="leave it out, or correct its name")
        type_ = known[name].type
        value = _decoded(who, raw, Any if type_ is Raw else type_, f"$.{name}")
        said[name] = Raw(bytes(raw)) if type_ is Raw else value
    for name, field in known.items():
        if field.required and name not in said:
            raise Invalid("the body lacks a field", who=who, where=f"$.{name}", expected=", ".join(known), found=", ".join(given) or "none",
                          instead=f"send a JSON object with {name!r}")
    return said


def _decoded(who: str, data: bytes | Raw, type_: Any, where: str = "$") -> Any:
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, ValueError) as error:
        expected, found, place = misfit(error) if isinstance(error, msgspec.ValidationError) else ("JSON in UTF-8", str(error), "$")
        raise Invalid("the body does not fit", who=who, where=where + place.removeprefix("$"), expected=expected, found=found,
                      instead="send what the page of subjects shows") from error


def misfit(error: Exception) -> tuple[str, str, str]:
    """(expected, found, where) of what does not fit; a field that is missing is named whole."""
    if (missing := MISSING.fullmatch(str(error))) is not None:
        return f"a field {missing['name']!r}", "none", f"{missing['where'] or '$'}.{missing['name']}"
    return explained(error)


def _no_subject(who: str, expected: str, found: str) -> Invalid:
    return Invalid("no such subject is served here", who=who, where="subject", expected=expected, found=found,
                   instead="send to one that is; an id or a name is one part, its dots written as _2e")
