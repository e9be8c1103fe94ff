"""What a definition calls, found when the call begins: by then it is in the log, whatever is applied or deployed later."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from .model import Bound


class Wanted(Struct, frozen=True, omit_defaults=True):
    """A workflow that is code, or a saved definition with its inputs. `version` 0: the newest."""

    workflow: str = ""
    definition: str = ""
    version: int = 0
    inputs: dict[str, Any] = {}
    depth: int = 0
    """Of the run that calls, below others of definitions."""


class Found(Struct, frozen=True, omit_defaults=True):
    """What it is by now: the version of the code, or the definition with the inputs it takes."""

    version: int = 0
    bound: Bound | None = None
    inputs: dict[str, Any] = {}


Find = Callable[[Wanted], Coroutine[Any, Any, Found]]
