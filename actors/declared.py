"""What the types of a kind already say, so that its author need not: which events it has, and how its state is kept.

A snapshot made so belongs to the code that made it. The same events folded by other code may give another state, so the
version of the state is a digest of the code: after a change the stream is folded again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any, get_args, get_origin

import msgspec

from ..eventlog.codec import Event

VERSION_BITS = 52
"""Of the digest: an integer that every store of snapshots carries exactly."""

ADDRESS = re.compile(r" at 0x[0-9a-f]+")

_encode = msgspec.json.Encoder().encode
_encode_in_order = msgspec.json.Encoder(order="deterministic").encode


def events_of(cls: type, root: type) -> tuple[type[Event], ...]:
    """The events that `class Account(Kind[State, Command, Opened | Closed])` names; none where it names none of its own."""
    declared = _argument(cls, root, 2)
    events = get_args(declared) or (declared,)
    known = all(isinstance(event, type) and issubclass(event, Event) and event is not Event for event in events)
    return events if known else ()


def state_of(cls: type, root: type) -> Any:
    """The type of the state that a kind's declaration names; None where it names none."""
    return _argument(cls, root, 0)


def commands_of(cls: type, root: type) -> tuple[Any, ...]:
    """The types of the commands that a kind's declaration names; none where it names none."""
    declared = _argument(cls, root, 1)
    return get_args(declared) or (() if declared is None else (declared,))


def _argument(cls: type, root: type, place: int) -> Any:
    for base in vars(cls).get("__orig_bases__", ()):
        if get_origin(base) is root:
            return get_args(base)[place]
    return None


class Snapshots:
    """How the states of one kind are kept."""

    def __init__(self, kind: type, state: Any) -> None:
        self._kind = kind
        self.state = state
        self.encode = _encode
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(state).decode

    @staticmethod
    def digest(state: Any) -> str:
        """SHA-256 over the state, sets and dicts in one order; in hexadecimal."""
        return sha256(_encode_in_order(state)).hexdigest()

    @classmethod
    def of(cls, kind: type, state: Any) -> Snapshots | None:
        """None where the type does not say all that the state is."""
        try:
            return cls(kind, state) if state is not None and _says_all(msgspec.inspect.type_info(state)) else None
        except (TypeError, NameError):
            return None

    @cached_property
    def version(self) -> int:
        """Found when it is first asked for: by then the module of the kind is whole."""
        return _digest(self._kind, self.state)


class VersionByCode:
    """As a class attribute: the version of a kind's states, 1 where the kind keeps them by means of its own."""

    def __get__(self, kind: object, owner: Any) -> int:
        snapshots: Snapshots | None = owner.snapshots
        return 1 if snapshots is None else snapshots.version


BY_CODE: Any = VersionByCode()


def _says_all(info: msgspec.inspect.Type) -> bool:
    """Whether whatever passes this type comes back from JSON as it was."""
    seen: set[int] = set()

    def says(part: Any) -> bool:
        if isinstance(part, msgspec.inspect.AnyType | msgspec.inspect.RawType | msgspec.inspect.CustomType):
            return False
        if id(part) in seen:
            return True
        seen.add(id(part))
        inner = [getattr(part, name, None) for name in ("item_type", "key_type", "value_type", "type")]
        inner += [*getattr(part, "types", ()), *getattr(part, "item_types", ()), *(field.type for field in getattr(part, "fields", ()))]
        return all(says(each) for each in inner if isinstance(each, msgspec.inspect.Type))

    return says(info)


def _digest(kind: type, state: Any) -> int:
    """Of all code in the module of the kind, and of the fields of its state."""
    found = {code.co_qualname: _code_text(code) for code in _codes(kind)}
    fields = ADDRESS.sub("", repr(msgspec.inspect.type_info(state)))
    text = "\n".join([fields, *(cls.__qualname__ for cls in kind.__mro__), *(found[name] for name in sorted(found))])
    return int.from_bytes(sha256(text.encode()).digest()) >> (256 - VERSION_BITS)


def _codes(kind: type) -> Iterator[CodeType]:
    """The functions and methods of every module that a class of the kind's line is written in, perdure's own apart."""
    own = [cls for cls in kind.__mro__ if not cls.__module__.startswith(__package__ or "") and cls is not object]
    spaces = {function.__module__: function.__globals__ for cls in own for function in _functions(cls)}
    classes = dict.fromkeys(own)
    for home, space in spaces.items():
        for each in space.values():
            if isinstance(each, FunctionType) and each.__module__ == home:
                yield each.__code__
            elif isinstance(each, type) and each.__module__ == home:
                classes[each] = None
    for cls in classes:
        for function in _functions(cls):
            yield function.__code__


def _functions(cls: type) -> Iterator[FunctionType]:
    for member in vars(cls).values():
        function = getattr(member, "__func__", member)
        if isinstance(function, FunctionType):
            yield function


def _code_text(code: CodeType) -> str:
    constants = [_code_text(each) if isinstance(each, CodeType) else constant_text(each) for each in code.co_consts]
    return repr((code.co_qualname, code.co_code.hex(), code.co_names, code.co_varnames, constants))


def constant_text(constant: Any) -> str:
    """The same in every process: a set is written in an order that changes with the hash seed."""
    parts: list[Any] = list(constant) if isinstance(constant, frozenset) else [constant]  # pyright: ignore[reportUnknownArgumentType]
    return repr(sorted(map(repr, parts)))
