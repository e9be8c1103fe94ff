"""Values on their way into the log and back.

Code always receives `decode(encode(value))` by its annotation, live and on replay, so what would not come back as it
went in is refused at the door: not-a-number, lone surrogates, and values whose type the annotation does not keep.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import GenericAlias
from typing import Any, TypeGuard, cast, get_type_hints

import msgspec
from msgspec import Raw

from ...eventlog.errors import Invalid
from ...eventlog.guard import BYTES_MAX, DEPTH_MAX, guard
from .misfits import misfit_of

NOTHING = Raw(b"null")
NO_NUMBER = "return None, a string, or leave the field out: JSON has no such number"

FLAT_BYTES = 2 * DEPTH_MAX
"""JSON this short cannot nest too deeply: every level takes two brackets."""

PLAIN = frozenset({int, str, bool})
"""Immutable types whose values, where they can be encoded at all, come back equal: no need to look."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_as_given = msgspec.json.Encoder().encode
_decode_call: Callable[[bytes], list[Any] | dict[str, Any]] = msgspec.json.Decoder(list[Any] | dict[str, Any]).decode
_WITH_FIELDS = (msgspec.inspect.StructType, msgspec.inspect.DataclassType, msgspec.inspect.TypedDictType, msgspec.inspect.NamedTupleType)
_EXACT = (type(None), bool, int, float, str, list, dict)


class Shape:
    """How values of one annotation are encoded and decoded. `who` names its owner in errors."""

    __slots__ = ("_decode", "_loose", "annotation", "who")

    def __init__(self, annotation: Any, who: str) -> None:
        self.annotation = annotation
        self.who = who
        try:
            self._decode: Callable[[Any], Any] = msgspec.json.Decoder(annotation).decode
            self._loose = keeps_less_than_it_takes(annotation)
        except TypeError as error:
            raise Invalid(
                "the annotation cannot be carried by the log",
                who=who,
                expected="types that msgspec encodes: builtins, Structs, dataclasses, …",
                found=f"{describe(annotation)}: {error}",
                instead="annotate with such a type, or turn the value into one first",
            ) from error

    def encode(self, value: Any) -> Raw:
        """The value as JSON; Invalid, with the path, where decoding would not give it back."""
        return self.pair(value)[0]

    def pair(self, value: Any) -> tuple[Raw, Any]:
        """(the value as JSON, what code receives for it)."""
        try:
            try:
                data = _encode(value)
            except TypeError:
                data = _with_text_keys(value)
            received = self._decode(data)
        except (msgspec.MsgspecError, TypeError, UnicodeEncodeError, OverflowError, RecursionError, ValueError) as error:
            raise self._unfit(value, error) from error
        size = len(data)
        if self._loose and received != value:
            raise self._unfit(value, None)
        if size > FLAT_BYTES:
            guard(data, self.who)
        return Raw(data), received

    def decode(self, data: Any) -> Any:
        """The value that code receives; Invalid where the stored bytes do not fit the annotation."""
        try:
            return self._decode(data)
        except msgspec.MsgspecError as error:
            expected, found, where = explained(error, self.annotation)
            raise Invalid("a recorded value does not fit its annotation", who=self.who, where=where, expected=expected, found=found,
                          instead="make the annotation accept what was recorded, or give the changed code a new version") from error

    def _unfit(self, value: Any, error: Exception | None) -> Invalid:
        fault = first_fault(value, "$", set())
        if fault is not None and (fault[2] is NO_NUMBER or not isinstance(error, msgspec.ValidationError)):
            where, found, instead = fault
            return Invalid(
                "the value would not come back from the log as it is",
                who=self.who,
                where=where,
                expected=f"what JSON gives back as it was, read as {describe(self.annotation)}",
                found=found,
                instead=instead,
            )
        expected, found, where = describe(self.annotation), type(value).__name__, "$"
        if error is not None:
            expected, found, where = explained(error, self.annotation)
        return Invalid("the value does not fit its annotation", who=self.who, where=where, expected=expected, found=found,
                       instead="pass a value of the annotated type, or change the annotation")


def kept_shape(shapes: dict[Any, Shape], annotation: Any, who: str) -> Shape:
    """The shape of an annotation, made once; Invalid where it is none."""
    try:
        found = shapes.get(annotation)
    except TypeError:  # such as [int], which has no hash
        return Shape(annotation, who)
    if found is None:
        found = shapes[annotation] = Shape(annotation, who)
    return found


def _with_text_keys(value: Any) -> bytes:
    """As JSON, keys that are no strings as their text; an annotation reads them back."""
    return _encode(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


def explained(error: Exception, annotation: Any = None) -> tuple[str, str, str]:
    """(expected, found, where) of a msgspec error, as far as its text says; the annotation that was not met says more."""
    misfit = misfit_of(error, annotation)
    named = misfit.missing or misfit.unknown
    return misfit.expected, misfit.found, f"{misfit.where}.{named}" if named else misfit.where


def first_fault(value: Any, where: str, above: set[int]) -> tuple[str, str, str] | None:
    """(path, what was found, what to do instead) of the first part that JSON would lose or change."""
    if isinstance(value, float) and not math.isfinite(value):
        return where, repr(value), NO_NUMBER
    if isinstance(value, str):
        return _fault_in_text(value, where)
    if id(value) in above or len(above) >= DEPTH_MAX:
        return where, "a value that contains itself, or is nested very deeply", "flatten it"
    for key, part in _parts(value):
        if fault := first_fault(part, where + key, above | {id(value)}):
            if fault[2].startswith("annotate") and not isinstance(value, Mapping | list | tuple):
                break  # with its own annotation the whole would come back, this part too
            return fault
    if _is_mapping(value):
        return _fault_in_keys(value, where)
    if type(value) in _EXACT:
        return None
    try:
        text = _encode(value)[:40].decode(errors="replace")
    except Exception:
        return where, f"{type(value).__name__}, which cannot be encoded", "return builtins, a msgspec.Struct or a dataclass"
    name = type(value).__name__
    return where, f"{name}, which would come back as {text}", f"annotate it as {name}, or convert it first"


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _parts(value: Any) -> list[tuple[str, Any]]:
    """(path, part) of what a value holds."""
    if _is_mapping(value):
        return [(f".{key}", part) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [(f"[{i}]", part) for i, part in enumerate(cast("list[Any]", value))]
    fields = getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", None) or ()
    return [(f".{name}", getattr(value, name)) for name in fields] if not isinstance(value, type) else []


def _fault_in_text(value: str, where: str) -> tuple[str, str, str] | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return where, "a string with a lone surrogate", "encode it first, for example with errors='backslashreplace'"
    return None


def _fault_in_keys(value: Mapping[Any, Any], where: str) -> tuple[str, str, str] | None:
    for key in value:
        if not isinstance(key, str):
            name = type(key).__name__
            return f"{where}[{key!r}]", f"a key of type {name}, which would come back as str", f"annotate it, for example 'dict[{name}, …]'"
    return None


def keeps_less_than_it_takes(annotation: Any) -> bool:
    """Whether a value could pass this annotation and yet come back changed: it holds untyped parts or floats."""
    seen: set[int] = set()

    def loose(info: Any) -> bool:
        if id(info) in seen:
            return False
        seen.add(id(info))
        if isinstance(info, msgspec.inspect.AnyType | msgspec.inspect.FloatType | msgspec.inspect.RawType | msgspec.inspect.CustomType):
            return True
        if isinstance(info, _WITH_FIELDS):
            return any(loose(field.type) for field in info.fields)
        parts = [getattr(info, name, None) for name in ("item_type", "key_type", "value_type", "type")]
        many = [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
        return any(loose(part) for part in (*parts, *many) if isinstance(part, msgspec.inspect.Type))

    return loose(msgspec.inspect.type_info(annotation))


def name_of(function: object) -> str:
    """The name that a function was defined with."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise Invalid("what is decorated must have a name", who=repr(function), expected="a function", found=type(function).__name__,
                      instead="decorate a 'def' or 'async def', or pass name=…")
    return name


def as_json(value: Any, who: str, *, as_given: bool = False) -> Raw:
    """A value that is on its way to whoever knows its annotation, its keys sorted unless `as_given`; Invalid where it cannot be encoded."""
    try:
        return Raw(_as_given(value) if as_given else _encode(value))
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError, OverflowError, RecursionError, ValueError) as error:
        raise Invalid("the value cannot be encoded", who=who, expected="types that msgspec encodes: builtins, Structs, dataclasses, …",
                      found=f"{type(value).__name__}: {error}", instead="turn it into one of these first") from error


def describe(annotation: Any) -> str:
    """An annotation as a person would write it."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def without_first(parameters: list[inspect.Parameter], who: str) -> list[inspect.Parameter]:
    """The parameters but the first, which the performer of the function gives."""
    if parameters and parameters[0].kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
        return parameters[1:]
    raise Invalid("a transactional step takes the connection first", who=who, where="signature", expected="(db: sqlite3.Connection, …)",
                  found=f"({', '.join(map(str, parameters))})", instead="add the parameter in front")


class Arguments:
    """The parameters of a function: checks a call against them and turns it into JSON, and back.

    Stored as an array in the order of the parameters; keyword-only parameters follow as one object.
    """

    __slots__ = ("_count", "_named", "_plain", "_positional", "_shape", "plain", "signature", "who")

    def __init__(self, function: Callable[..., Any], who: str, *, given_first: bool = False) -> None:
        self.who = who
        hints = hints_of(function, who)
        signature = inspect.signature(function)
        parameters = [p.replace(annotation=hints.get(p.name, p.empty)) for p in signature.parameters.values()]
        if given_first:
            parameters = without_first(parameters, who)
        self.signature = signature.replace(parameters=parameters)
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            raise Invalid(
                "a variable number of arguments cannot be recorded by name",
                who=who,
                where="signature",
                expected="named parameters",
                found=str(self.signature),
                instead="take one list or one dict instead of *args or **kwargs",
            )
        self._positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self._named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        self._count = len(self._positional) if not self._named else -1
        self.plain = not self._named
        """Whether the received arguments are all positional, so that nothing need be split."""
        types: list[Any] = [hints.get(name, Any) for name in self._positional]
        self._plain = tuple(types) if self.plain and PLAIN.issuperset(types) else None
        if self._named:
            types.append(msgspec.defstruct("Named", [(name, hints.get(name, Any)) for name in self._named]))
        self._shape = Shape(GenericAlias(tuple, tuple(types)), who)

    def pair(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Raw, tuple[Any, ...]]:
        """(the call as JSON, the arguments that the function receives); a call that does not fit is Invalid."""
        if not kwargs and self._plain == tuple(map(type, args)):
            try:
                data = _encode(args)
                if len(data) <= BYTES_MAX:
                    return Raw(data), tuple(args)
            except (UnicodeEncodeError, OverflowError, msgspec.MsgspecError):
                pass  # the long way says what is wrong
        if kwargs or len(args) != self._count:
            try:
                bound = self.signature.bind(*args, **kwargs)
            except TypeError as error:
                raise self._wrong_call(str(error), args, kwargs) from error
            bound.apply_defaults()
            args = [bound.arguments[name] for name in self._positional]
            if self._named:
                args.append({name: bound.arguments[name] for name in self._named})
        return self._shape.pair(tuple(args)) if not self._named else self._named_pair(args)

    def decode(self, data: Any) -> tuple[Any, ...]:
        """The arguments that the function receives, for `apply`."""
        return cast("tuple[Any, ...]", self._shape.decode(data))

    def accept(self, data: bytes) -> Raw:
        """Arguments from outside, as a JSON array or an object by parameter name, in the stored form."""
        if self.plain:
            try:
                return Raw(_encode(self._shape.decode(guard(data, self.who))))
            except Invalid:
                pass  # by name, with defaults, or wrong: the long way
        try:
            given = _decode_call(guard(data, self.who))
        except msgspec.MsgspecError as error:
            expected = "a JSON array in the order of the parameters, or an object by their names"
            raise Invalid("the arguments are no call", who=self.who, where="$", expected=expected, found=f"{data[:40]!r}: {error}",
                          instead=f"write for example {expected_call(self.signature)}") from error
        args: list[Any] = [] if isinstance(given, dict) else given
        kwargs: dict[str, Any] = {}
        if isinstance(given, dict):
            kwargs = given
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise self._wrong_call(str(error), args, kwargs) from error
        bound.apply_defaults()
        values: list[Any] = [bound.arguments[name] for name in self._positional]
        if self._named:
            values.append({name: bound.arguments[name] for name in self._named})
        stored = _encode(values)
        self.decode(stored)
        return Raw(stored)

    def split(self, arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The received arguments as (args, kwargs)."""
        if not self._named:
            return arguments, {}
        *args, named = arguments
        return tuple(args), {name: getattr(named, name) for name in self._named}

    def named(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """The received arguments by the names of their parameters."""
        args, kwargs = self.split(arguments)
        return dict(zip(self._positional, args, strict=True)) | kwargs

    def _named_pair(self, args: Sequence[Any]) -> tuple[Raw, tuple[Any, ...]]:
        *plain, named = args
        for name, value in cast("dict[str, Any]", named).items():
            if fault := first_fault(value, f"$.{name}", set()):
                raise Invalid(
                    "the argument would not come back from the log as it is",
                    who=self.who,
                    where=fault[0],
                    found=fault[1],
                    instead=fault[2],
                )
        stored = _with_text_keys([*plain, named])
        return Raw(stored), self.decode(stored)

    def _wrong_call(self, why: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Invalid:
        found = ", ".join([*(repr(a)[:40] for a in args), *(f"{k}={v!r}"[:40] for k, v in kwargs.items())])
        return Invalid(
            "the call does not fit the signature",
            who=self.who,
            where="the call",
            expected=str(self.signature.replace(return_annotation=inspect.Signature.empty)),
            found=f"({found}): {why}",
            instead="pass the parameters that the function names",
        )


def expected_call(signature: inspect.Signature) -> str:
    """The arguments of a call as JSON, with the names of the parameters in place of values."""
    if any(one.kind is one.KEYWORD_ONLY for one in signature.parameters.values()):
        return "{" + ", ".join(f'"{name}": <{name}>' for name in signature.parameters) + "}"
    return "[" + ", ".join(f"<{name}>" for name in signature.parameters) + "]"


def hints_of(function: Callable[..., Any], who: str) -> dict[str, Any]:
    """The annotations of a function, resolved."""
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise Invalid("an annotation cannot be resolved", who=who, where="signature", found=str(error),
                      instead="import the name at the top of the module, not only under TYPE_CHECKING") from error
