"""How the code asks for a message to another run: open like a step until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from ..authoring.sending import Sending, send_signal
from . import events as ev
from .branches import Branch

if TYPE_CHECKING:
    from .driver import Machine


def ask_sending(machine: Machine, branch: Branch, effect: Sending) -> None:
    id = branch.next_id()
    machine.wait_for(id, branch, effect)
    machine.fresh[id] = effect
    if effect.step is send_signal:
        run, name, value = effect.arguments
        machine.wishes.append(ev.SignalSent(id, run, name, Raw(msgspec.json.encode(value, order="deterministic"))))
    else:
        run, reason = effect.arguments
        machine.wishes.append(ev.CancelSent(id, run, reason))
