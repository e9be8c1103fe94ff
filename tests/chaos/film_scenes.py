"""What players play with films: runs whose steps are performed by queue workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.runtime.requests import CancelRun

if TYPE_CHECKING:
    from tests.chaos.load import Player


async def a_film(player: Player, run: str, number: int) -> None:
    await player.start("film", run, number)
    await player.ends(run, "completed", [number, number + 1, number + 2, number])


async def a_long_film(player: Player, run: str, number: int) -> None:
    await player.start("long_film", run, number)
    await player.ends(run, "completed", number)


async def a_graded_film(player: Player, run: str, number: int) -> None:
    await player.start("graded_film", run, number)
    await player.ends(run, "completed", [number] * 3)


async def a_first_night(player: Player, run: str, number: int) -> None:
    await player.start("first_night", run, number)
    await player.ends(run, "completed", f"shown {number}", "interrupted")


async def an_unreadable_film(player: Player, run: str, number: int) -> None:
    """No worker of the queue knows its step, so it becomes a dead letter."""
    await player.start("unreadable_film", run, number)
    await player.ends(run, "failed")


async def a_film_given_up(player: Player, run: str, number: int) -> None:
    await player.start("long_film", run, number)
    wish = await player.command("late cancel", run, CancelRun(run=run, command=f"cancel {run}"))
    if wish.answer == "applied":
        await player.ends(run, "cancelled")
    else:  # who wished it was cut off for so long that the film was over
        await player.ends(run, "completed", number)
