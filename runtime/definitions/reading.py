"""Reading a definition: YAML or JSON as plain data, with the line of each part.

Of YAML only what JSON can say is read: no anchors, no tags, no dates, `yes` is a text. So nothing grows when it is read, and
nothing means something else than it seems to.
"""

from __future__ import annotations

import math
import re
from importlib import import_module
from typing import Any

import msgspec

from ...eventlog.errors import Invalid, TooLarge, Unavailable
from ...eventlog.guard import guard

TEXT_BYTES_MAX = 512 * 1024
NESTING_MAX = 60
INTEGER_MAX = 19
"""Characters of a number that is read as one; longer ones do not fit what JSON keeps exactly."""

INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "Null": None, "~": None, "": None}


def read(text: str, who: str = "the definition") -> tuple[Any, dict[str, int]]:
    """(plain data, the line of each part by its path); Invalid where the text is neither YAML nor JSON."""
    size = len(text.encode("utf-8", "replace"))
    if size > TEXT_BYTES_MAX:
        raise TooLarge("the text of a definition is too large", who=who, expected=f"at most {TEXT_BYTES_MAX} bytes", found=f"{size} bytes",
                       instead="divide it into definitions that call each other by a step of type workflow")
    if text.lstrip().startswith("{"):
        return _read_json(text, who)
    return _Reader(who).read(text)


def library(module: str, package: str, what: str) -> Any:
    """A library that only definitions need; Unavailable, with what to install, where it is not there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        raise Unavailable(f"the library for {what} is not installed", who="definitions", expected=f"the package {package}",
                          found=f"no module {missing.name}", instead="pip install 'perdure[service]'") from missing


def _read_json(text: str, who: str) -> tuple[Any, dict[str, int]]:
    try:
        value = msgspec.json.decode(guard(text.encode(), who))
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        place = re.search(r"byte (\d+)", str(error))
        before = text.encode("utf-8", "replace")[: int(place[1])] if place else b""
        raise Invalid("the text is no JSON", who=who, where=f"line {before.count(10) + 1}" if place else "", found=str(error),
                      expected="one JSON object", instead="mend it there; a text that does not begin with { is read as YAML") from error
    try:
        return value, _Reader(who).read(text.replace("\t", " "))[1]
    except (Invalid, Unavailable):
        return value, {}  # good JSON that the reader of YAML does not take, or is not there to take: it goes without lines


class _Reader:
    """Builds plain data from the events of YAML's parser."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.lines: dict[str, int] = {}
        self._yaml = library("yaml", "pyyaml", "YAML")

    def read(self, text: str) -> tuple[Any, dict[str, int]]:
        yaml = self._yaml
        try:
            self._events = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
            self._next()  # the stream
            if isinstance(self._next(), yaml.StreamEndEvent):
                raise self._wrong("the text is empty", 1, "a definition", "nothing", "write name: and steps:")
            value = self._value(self._next(), "$", 0)
            self._next()  # the end of the document
            behind = self._next()
            if not isinstance(behind, yaml.StreamEndEvent):
                raise self._wrong("one text holds one definition", _line(behind), "the end of the text", "another document behind ---",
                                  "put it into a file of its own")
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise self._wrong("the text is no YAML", 0 if mark is None else mark.line + 1, "YAML, or JSON that begins with {",
                              str(getattr(error, "problem", error)), "mend it there: indent with spaces, quote texts that hold ': ' or '#'"
                              ) from error
        return value, self.lines

    def _next(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: str, depth: int) -> Any:
        yaml, line = self._yaml, _line(event)
        self.lines.setdefault(path, line)
        if depth > NESTING_MAX:
            raise self._wrong("the text is nested too deeply", line, f"at most {NESTING_MAX} levels", "more", "flatten it")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._wrong("a definition has no anchors and aliases", line, "plain YAML", f"&{event.anchor} or *{event.anchor}",
                              "write it out")
        if event.tag is not None and event.tag != "!":
            raise self._wrong("a definition has no tags", line, "plain YAML", event.tag, "leave the tag out; quote what is to be a text")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        return self._scalar(event, line)

    def _sequence(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), self._yaml.SequenceEndEvent):
            found.append(self._value(event, f"{path}[{len(found)}]", depth + 1))
        return found

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), self._yaml.MappingEndEvent):
            key = event.value if isinstance(event, self._yaml.ScalarEvent) else None
            if not isinstance(key, str) or key in found:
                what = f"{key!r} twice" if key is not None else "a list or an object as a key"
                raise self._wrong("a key is a text, and is there once", _line(event), "one text for each key", what, "rename one of them")
            place = f"{path}.{key}"
            self.lines[place] = _line(event)
            found[key] = self._value(self._next(), place, depth + 1)
        return found

    def _scalar(self, event: Any, line: int) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in WORDS:
            return WORDS[text]
        if INTEGER.fullmatch(text) and len(text) <= INTEGER_MAX:
            return int(text)
        if FLOAT.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
            raise self._wrong("JSON has no such number", line, "a finite number", text, "quote it to have a text")
        return text

    def _wrong(self, message: str, line: int, expected: str, found: str, instead: str) -> Invalid:
        where = f"line {line}" if line else ""
        return Invalid(message, who=self.who, where=where, expected=expected, found=found, instead=instead)


def _line(event: Any) -> int:
    line: int = event.start_mark.line + 1
    return line
