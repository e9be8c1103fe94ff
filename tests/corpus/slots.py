"""The slots of limits as their own logs show them: which attempts may be under way, and what a limit does next by itself."""

from __future__ import annotations

import msgspec

from perdure.eventlog.log import Log
from perdure.runtime.kinds.limit import LEASE, Asker, Limits
from tests.corpus.crowded import LIMITED

KIND = Limits(lambda stream, state: None, lambda stream, due: None)


def limit_of(run: str, step: str, args: bytes) -> str:
    """The stream of the limit that attempts of a step of the run need; empty where they need none."""
    limited = LIMITED.get(step)
    return "" if limited is None or limited.rules.limit is None else limited.rules.limit.stream(run, msgspec.json.decode(args), {})


class Slots:
    """One limit. `node`: who speaks for the attempts of the life that is played."""

    def __init__(self, stream: str, node: str) -> None:
        self.stream = stream
        self.state = KIND.initial(stream)
        self.length = 0
        self._node = node

    async def read(self, log: Log) -> None:
        async for record in log.read(self.stream, after=self.length):
            batch = KIND.codec.decode(record.data)
            self.length = record.last
            for event in batch.events:
                self.state = KIND.evolve(self.state, event, batch.at)
                slots = self.state.bounds[0]
                assert not slots or len(self.state.held) <= slots, f"{self.stream} gave {len(self.state.held)} slots"

    def has(self, holder: str) -> bool:
        """Whether the attempt may begin."""
        return self._is_ours(self.state.held.get(holder))

    def knows(self, holder: str) -> bool:
        """Whether it has a slot or waits for one."""
        return self.has(holder) or self._is_ours(self.state.queue.get(holder))

    def is_restless(self, wanted: set[str], now: int) -> bool:
        """Whether something is on its way: a slot that can be given, a word of our node on who wants one and who does no more."""
        state = self.state
        ours = {holder for places in (state.held, state.queue) for holder, place in places.items() if self._is_ours(place)}
        return bool(ours ^ wanted) or state.allowed(now) > 0 or any(due <= now for due, _ in self.moments())

    def moments(self) -> list[tuple[int, str]]:
        """What comes due by itself: a node that is gone loses its places, ours speaks up again in time, and a rate allows one more."""
        state = self.state
        if not (state.held or state.queue):
            return []
        found = [(until - LEASE // 3 if node == self._node else until, f"lease of {node}") for node, until in state.leases.items()]
        slots, rate, per = state.bounds
        if state.queue and len(state.given) >= rate > 0 and (not slots or len(state.held) < slots):
            found.append((state.given[-rate] + per, "rate"))
        return found

    def _is_ours(self, place: Asker | None) -> bool:
        return place is not None and place.node == self._node


def holder_of(run: str, id: str) -> str:
    """How a limit calls the attempts of a step of the run with this stream."""
    return f"{run} {id}"
