"""Chaos from a seed: a fleet under load, one fault after another, and what the checker says of it in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory

import anyio

import perdure
from perdure.eventlog.errors import Unavailable
from perdure.runtime.calling import Calling
from tests.chaos.faults import FAULTS, sequence
from tests.chaos.fleet import CLIENT, Fleet, Unwell, fleet
from tests.chaos.history import History
from tests.chaos.load import SCENES, GivenUp, Player, Scene
from tests.chaos.noting import attempts_in
from tests.chaos.promises import broken
from tests.chaos.queue_promises import queue_figures
from tests.chaos.reading import Letter, Seen, Witness, by_stream, dead_letters_of, events_in, records_of, stored_in

LOOKS_EVERY = 2.0
CALM = (0.2, 0.8)
"""Seconds between the end of a fault and the next."""


class Play:
    """One seed's history."""

    def __init__(self, place: Fleet, client: Calling, seed: int, *, players: int, pause: float, scenes: Sequence[Scene]) -> None:
        self.fleet = place
        self.client = client
        self.seed = seed
        self.players = players
        self.pause = pause
        """Seconds that a player rests between two runs."""
        self.scenes = scenes
        self.history = History()
        self.witness = Witness(place.store)
        self.begun = 0
        self._over = False

    async def plays(self, faults: Iterable[str], runs: int) -> Seen:
        """All faults befall the fleet; players go on until there were so many runs, and each has seen its last one's end."""
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watches)
            async with anyio.create_task_group() as group:
                for number in range(self.players):
                    group.start_soon(self._lives, number)
                await self._befalls(faults)
                while self.begun < runs:  # noqa: ASYNC110 - players come and go by themselves
                    await anyio.sleep(CALM[0])
                self._over = True
            watching.cancel_scope.cancel()
        await self.witness.look()
        self.fleet.muster()
        return await self._seen()

    async def _seen(self) -> Seen:
        store = self.fleet.store
        waiting, dead = list[str](), list[Letter]()
        try:
            waiting, dead = await self.fleet.emptied(), await dead_letters_of(store)
        except Unavailable as away:
            self.history.unwell.append(f"in the end the task queue or its dead letters cannot be read: {away.found}")
        records, stored = await records_of(store), await stored_in(store)
        return Seen(
            history=self.history,
            records=by_stream(records),
            events=events_in(records, stored),
            attempts=attempts_in(self.fleet.journal),
            witnessed=self.witness.found,
            died=self.fleet.died,
            dead=dead,
            waiting=waiting,
            slots=events_in(records, stored, "limit"),
        )

    async def _befalls(self, faults: Iterable[str]) -> None:
        chance = Random(f"{self.seed}:blows")
        for name in faults:
            await anyio.sleep(chance.uniform(*CALM))
            try:
                with self.history.window(name):
                    await FAULTS[name][0](self.fleet, chance)
                    self.history.tended += await self.fleet.settled()
                await self.fleet.complete()
            except Unwell as symptoms:
                self.history.unwell.append(f"after {name}, fault {len(self.history.windows)}: {symptoms}")
                return

    async def _lives(self, number: int) -> None:
        """A player, until all is over, or what it waits for does not come."""
        player = Player(self.client, self.history, Random(f"{self.seed}:player {number}"), self.scenes)
        while not self._over:
            self.begun += 1
            try:
                await player.plays(f"r{self.begun}", self.begun)
            except GivenUp:
                return
            await anyio.sleep(self.pause)

    async def _watches(self) -> None:
        while True:
            await self.witness.look()
            await anyio.sleep(LOOKS_EVERY)


async def played(  # noqa: PLR0917 - what is played, and how
    seed: int, faults: Sequence[str], runs: int, players: int, pause: float, scenes: Sequence[Scene] = SCENES
) -> tuple[Seen, float]:
    """What a seed led to, and the seconds that it took."""
    with TemporaryDirectory() as room:
        async with fleet(Path(room)) as place, perdure.connect(place.url(CLIENT)) as client:
            began = time.monotonic()
            seen = await Play(place, client, seed, players=players, pause=pause, scenes=scenes).plays(faults, runs)
            return seen, time.monotonic() - began


def figures_of(seen: Seen, seconds: float) -> tuple[dict[str, float], str]:
    """What was counted, by name, and everything that was broken, in words."""
    history, found = seen.history, broken(seen)
    calm = history.calm()
    counted = Counter(window.fault for window in history.windows)
    answers = Counter(wish.answer for wish in history.commands)
    figures: dict[str, float] = {
        "runs": len({end.run for end in history.ends}),
        "faults": len(history.windows),
        **{name: len(complaints) for name, complaints in found.items()},
        "share_of_calls_answered_in_calm": sum(call.answered for call in calm) / max(1, len(calm)),
        "calls_in_calm": len(calm),
        "commands": len(history.commands),
        "commands_applied": answers["applied"],
        "commands_refused": answers["refused"],
        "calls_not_answered": sum(not call.answered for call in history.calls),
        "events": len(seen.events),
        "attempts_again": len(seen.attempts) - len({(one.key, one.attempt) for one in seen.attempts}),
        "servers_started_anew_by_hand": len(history.tended),
        "takeovers_of_runs": sum(happened.type == "Recovered" for happened in seen.events),
        **queue_figures(seen),
        **{f"fault_{name}": counted[name] for name in FAULTS},
        **gaps(history),
        "seconds": seconds,
    }
    return figures, "\n".join(f"{name}: {line}" for name, lines in found.items() for line in lines[:5])


def gaps(history: History) -> dict[str, float]:
    """Seconds that the slowest command took around a fault: p50 and p99 of each kind."""
    found: dict[str, float] = {}
    for name, seconds in sorted(history.gaps().items()):
        cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
        found |= {f"gap_p50_{name}": cuts[49], f"gap_p99_{name}": cuts[98]}
    return found


def figures(seed: int, faults: int, runs: int, *, players: int = 16, pause: float = 1.0) -> tuple[dict[str, float], str]:
    """So many faults of a seed, and at least so many runs."""
    names = list(islice(sequence(seed), faults))
    seen, seconds = anyio.run(played, seed, names, runs, players, pause, backend_options={"use_uvloop": True})
    return figures_of(seen, seconds)
