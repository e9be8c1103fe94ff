"""Approvals: how the code asks a person, and what it is given for the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from ...authoring.approvals import ApprovalWait, Decision
from ...authoring.words import moment
from .. import events as ev
from ..state import Decided
from .branches import Branch

if TYPE_CHECKING:
    from .driver import Machine

_encode = msgspec.json.Encoder(order="deterministic").encode


def digest_of(run: str, name: str, show: Raw) -> str:
    """What a decision must name: SHA-256, in hexadecimal, of the canonical JSON of `{"name", "run", "show"}`."""
    return sha256(_encode({"name": name, "run": run, "show": show})).hexdigest()


def ask_approval(machine: Machine, branch: Branch, effect: ApprovalWait) -> None:
    id = branch.next_id()
    machine.wait_for(id, branch, effect)
    expires = None if effect.timeout is None else machine.time() + effect.timeout
    digest = digest_of(machine.run, effect.name, effect.show)
    machine.wishes.append(ev.ApprovalRequested(id, effect.name, effect.show, digest, expires))


def arrived(machine: Machine, arrival: Decided) -> None:
    wait = machine.waits.pop(arrival.id, None)
    if wait is not None:
        machine.resume(wait[0], Decision(arrival.outcome, moment(arrival.at), arrival.by, arrival.why))


ASKS: Mapping[type, Callable[[Any, Branch, Any], None]] = {ApprovalWait: ask_approval}
