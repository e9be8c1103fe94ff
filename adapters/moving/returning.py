"""Returning: a move is taken back, if the log that it goes to has not taken it. That log is asked first, and its word is final."""

from __future__ import annotations

from msgspec import Struct

from ...eventlog.errors import Invalid, NotFound, Refused
from ...runtime import moves
from ...runtime.requests import MoveRunBack
from .desk import Desk


class TakenBack(Struct, frozen=True):
    """Which runs go on where they were."""

    move: str
    source: str
    to: str
    runs: list[str]


async def take_back(source: Desk, to: Desk, move: str, *, tenant: str = "default") -> TakenBack:
    """Let the runs of a move go on where they were; Refused, and nothing changed, where they go on in the other log by now."""
    begun = await moves.begun(source.carrier.log, tenant, move)
    if begun is None:
        raise NotFound("no such move has begun in this log", who=f"move {move}", where="take back", expected="a move that an export began",
                       found=f"none of that name in the log {source.identity}", instead="name the log that the runs left")
    if begun.to != to.identity:
        raise Invalid("the move goes to another log", who=f"move {move}", where="--at", expected=f"the log {begun.to}",
                      found=f"the log {to.identity}", instead="name the log that the runs were to go to: its word decides")
    wish = moves.MoveRefused(source.identity)
    if isinstance(await moves.taken_or_refused(to.carrier.log, tenant, move, wish, to.now()), moves.MoveTaken):
        raise Refused("the runs go on in the other log by now", who=", ".join(begun.runs), where="take back",
                      expected="a move that was not imported", found=f"the log {to.identity} has taken it",
                      instead="move them from there, if you want them back: perdure log export")
    for run in begun.runs:
        await source.do(MoveRunBack(tenant=tenant, run=run, move=move))
    return TakenBack(move, source.identity, to.identity, begun.runs)
