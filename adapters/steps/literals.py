"""What is written out in a config and could never be called, known before anything is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from ...eventlog.errors import Invalid
from ...runtime.definitions.plain import is_map
from ..dialer.urls import target_of


def is_literal(value: Any) -> TypeGuard[str]:
    """Whether it is a text that no expression changes."""
    return isinstance(value, str) and "${" not in value


def wrong_url(url: Any) -> Iterator[Invalid]:
    """Why a URL is none that is called. Where calls may go is for the process to say that calls."""
    if is_literal(url):
        try:
            target_of(url)
        except Invalid as error:
            yield Invalid(error.message, where="url", expected=error.expected, found=repr(url[:200]), instead=error.instead)


def wrong_headers(headers: Any) -> Iterator[Invalid]:
    """Which headers cannot be sent."""
    if not is_map(headers):
        return
    from ..dialer.exchange import must_be_header  # not before there are headers: most checks see none

    for name, value in headers.items():
        try:
            must_be_header(name, value if is_literal(value) else "", "a step of type 'http'")
        except Invalid as error:
            yield Invalid(error.message, where=f"headers.{name}", expected=error.expected, found=error.found, instead=error.instead)
