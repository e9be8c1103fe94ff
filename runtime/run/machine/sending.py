"""How the code asks for a message to another run: open like a step until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from ....eventlog.blobs import Blob
from ...authoring.sending import Sending, send_signal
from ...authoring.values import NOTHING
from .. import events as ev
from .branches import Branch

if TYPE_CHECKING:
    from .driver import Machine


def ask_sending(machine: Machine, branch: Branch, effect: Sending) -> None:
    id = branch.next_id()
    machine.wait_for(id, branch, effect)
    machine.fresh[id] = effect
    if effect.step is send_signal:
        run, name, value = effect.arguments
        raw, blob = Raw(msgspec.json.encode(value, order="deterministic")), None
        if len(raw) > machine.shelf.large_bytes:
            raw, blob = NOTHING, Blob.of(bytes(raw), stored=False)  # the run that gets it keeps it
        machine.wishes.append(ev.SignalSent(id, run, name, raw, blob))
    else:
        run, reason = effect.arguments
        machine.wishes.append(ev.CancelSent(id, run, reason))
