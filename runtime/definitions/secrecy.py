"""Secrets in the configs of steps: a name in the definition and in the log, a value in the attempt alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec

from .plain import is_list, is_map

MASK = "***"
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
"""What a URL holds as it is."""

Place = tuple[str | int, ...]
"""Where a part is within a config."""


class Secrets(Protocol):
    """Where secrets are."""

    def find(self, tenant: str, name: str) -> str | None:
        """The value of a secret; None where the tenant has none of this name."""
        ...


class NoSecrets:
    """None at all."""

    def find(self, tenant: str, name: str) -> str | None:
        return None


def secret_in(value: Any) -> str | None:
    """The name in `{"secret": "NAME"}`; None for any other value."""
    if not is_map(value) or len(value) != 1:
        return None
    name = value.get("secret")
    return name if isinstance(name, str) else None


def places_in(value: Any) -> frozenset[Place]:
    """Where a value names secrets."""
    return frozenset(_places(value, ()))


def _places(value: Any, at: Place) -> Iterator[Place]:
    if secret_in(value) is not None:
        yield at
    elif is_map(value):
        for key, part in value.items():
            yield from _places(part, (*at, key))
    elif is_list(value):
        for place, part in enumerate(value):
            yield from _places(part, (*at, place))


def with_secrets(value: Any, places: frozenset[Place], find: Callable[[str], Any], at: Place = ()) -> Any:
    """The value with the secrets at these places found. What looks like one elsewhere came with data, and stays as it is."""
    name = secret_in(value)
    if name is not None:
        return find(name) if at in places else value
    if is_map(value):
        return {key: with_secrets(part, places, find, (*at, key)) for key, part in value.items()}
    return [with_secrets(part, places, find, (*at, i)) for i, part in enumerate(value)] if is_list(value) else value


class Cover:
    """Covers secrets in what a step tells: as they are, and as JSON, Python and URLs would write them."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def _forms(self) -> Iterable[str]:
        found = {form for value in self.values for form in (value, _as_json(value), repr(value)[1:-1], _quoted(value), _quoted(value, "/"))}
        return sorted(found, key=lambda form: (-len(form), form))  # of one that holds another, the whole is covered

    def over(self, value: Any) -> Any:
        """The value with each secret in its texts covered."""
        return _covered(value, self._forms()) if self.values else value

    def hides(self, text: str) -> bool:
        """Whether a text holds a secret."""
        return any(form in text or _as_json(form) in text for form in self._forms())


def _as_json(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


def _quoted(text: str, kept: str = "") -> str:
    """As a part of a URL."""
    return "".join(chr(byte) if chr(byte) in UNRESERVED + kept else f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def _covered(value: Any, forms: Iterable[str]) -> Any:
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, MASK)
        return value
    if is_map(value):
        return {_covered(key, forms): _covered(part, forms) for key, part in value.items()}
    return [_covered(part, forms) for part in value] if is_list(value) else value
