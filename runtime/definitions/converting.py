"""Plain data as what a definition is made of; what does not fit is told, and left out so that all else is looked at as well."""

from __future__ import annotations

import re
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

import msgspec

from ..authoring.misfits import Misfit, fields_at, misfit_of
from .faults import Faults
from .plain import is_list, is_map

PART = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
MENDED_MAX = 100
"""Faults of one text that are told by their form; who has more mends these first."""


def converted(plain: Any, type_: Any, path: str, faults: Faults) -> Any:
    """The data as this type; None, and a fault, where it does not fit."""
    try:
        return msgspec.convert(plain, type_)
    except msgspec.ValidationError as error:
        _tell(misfit_of(error, type_, plain), type_, path, faults)
        return None


def mended(plain: Any, type_: Any, path: str, faults: Faults) -> Any:
    """The same with each part that does not fit told and left out; None where nothing is left that would fit."""
    given, left_out = plain, set[str]()
    for place in range(MENDED_MAX):
        try:
            return msgspec.convert(plain, type_)
        except msgspec.ValidationError as error:
            misfit = misfit_of(error, type_, given)
            if f"{misfit.where}.{misfit.missing}" in left_out:
                return None  # it was there, and told
            _tell(misfit, type_, path, faults)
            plain = deepcopy(plain) if plain is given else plain
            if not _leave_out(plain, misfit, fields_at(type_, misfit.where), left_out, f"unnamed_{place}"):
                return None
    return None


def _leave_out(plain: Any, misfit: Misfit, fields: list[str], left_out: set[str], another: str) -> bool:
    """Leave out what does not fit, or put something in its place that does; whether that could be done."""
    path: list[Any] = [name or (int(place) if place.isdecimal() else place) for name, place in PART.findall(misfit.where)]
    path += [name for name in (misfit.missing, misfit.unknown) if name]
    stand_ins = {"id": another, "name": another, "type": "set"}
    held: list[Any] = []
    whole, holder = plain, dict[str, Any]()
    for place, part in enumerate(path):
        if is_map(whole):
            holder, held = whole, path[: place + 1]  # the innermost that has names; a list goes as a whole
        elif is_list(whole) and place == len(path) - 1 and path[place - 1] == "steps":
            whole[part] = stand_ins  # a step that is none at all
            return True
        whole = whole.get(part) if is_map(whole) else whole[part] if is_list(whole) else None
    key = held[-1] if held else ""
    near = get_close_matches(misfit.unknown, fields, 1)
    if near and key in holder and near[0] not in holder:
        holder[near[0]] = holder.pop(key)  # as its author meant it
        return True
    if held == path and key in stand_ins and not misfit.unknown:
        holder[key] = stand_ins[key]
        return True
    left_out.add("$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in held))
    return holder.pop(key, None) is not None and not misfit.missing


def _tell(misfit: Misfit, type_: Any, path: str, faults: Faults) -> None:
    where, expected, found = misfit.where, misfit.expected, misfit.found
    message, instead = "a part of the definition does not fit", "correct it: 'perdure definitions schema' tells all fields"
    if misfit.unknown:
        known = fields_at(type_, where)
        near = get_close_matches(misfit.unknown, known, 1)
        message, expected, where = "there is no such field", ", ".join(known), f"{where}.{misfit.unknown}"
        instead = f"write {near[0]!r}" if near else "leave it out, or correct its name"
    elif misfit.missing:
        message, expected, instead = "a field is missing", misfit.missing, f"write {misfit.missing}: …"
    faults.add(path + where.removeprefix("$"), message, expected=expected, found=found, instead=instead)
