"""Approvals: how the code asks a person, and what it is given for the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from ...authoring.approvals import Answer, ApprovalWait, Decision, Voice
from ...authoring.errors import ApprovalExpired
from ...authoring.words import moment
from .. import events as ev
from ..state import Decided
from .branches import Branch

if TYPE_CHECKING:
    from .driver import Machine

TOO_LATE = "nobody decided in time"
"""Why an approval is rejected that expired, where its policy says so."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def digest_of(run: str, name: str, show: Raw) -> str:
    """What a decision must name: SHA-256, in hexadecimal, of the canonical JSON of `{"name", "run", "show"}`."""
    return sha256(_encode({"name": name, "run": run, "show": show})).hexdigest()


def ask_approval(machine: Machine, branch: Branch, effect: ApprovalWait) -> None:
    id = branch.next_id()
    machine.wait_for(id, branch, effect)
    expires = None if effect.timeout is None else machine.time() + effect.timeout
    digest = digest_of(machine.run, effect.name, effect.show)
    machine.wishes.append(ev.ApprovalRequested(id, effect.name, effect.show, digest, expires, effect.terms))


def arrived(machine: Machine, arrival: Decided) -> None:
    """What the log says is given as it is; only what it means that nobody decided is for the policy to say."""
    branch, effect = machine.waits.pop(arrival.id, (None, None))
    if branch is None or effect is None:
        return
    at_end = effect.terms.at_end if arrival.outcome == "expired" and effect.terms is not None else "expire"
    if at_end == "fail":
        machine.resume(branch, None, ApprovalExpired(effect.name))
        return
    outcome: Answer = "rejected" if at_end == "reject" else arrival.outcome
    voices = [Voice(given.by, moment(given.at), given.why) for given in arrival.given]
    if arrival.outcome == "approved":
        voices.append(Voice(arrival.by, moment(arrival.at), arrival.why))
    why = TOO_LATE if at_end == "reject" else arrival.why
    machine.resume(branch, Decision(outcome, moment(arrival.at), arrival.by, why, tuple(voices)))


ASKS: Mapping[type, Callable[[Any, Branch, Any], None]] = {ApprovalWait: ask_approval}
