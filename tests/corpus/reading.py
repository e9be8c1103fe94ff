"""`python -m tests.corpus.reading FILE LOOP …`: the digests of all runs in a file, on each loop, from zero and from every snapshot.

Each run is folded from zero and driven; then, at each of its records, frozen, thawed, folded on and driven again. All of
it must come to one state. Prints JSON: one digest per loop, and from how many places it was reached.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio

from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.blobs import Blob, content_of, named_in
from perdure.eventlog.records import Record
from perdure.eventlog.streams import parts_of
from perdure.runtime.inspect.replay import drive, judge
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, canonical, restore, state_digest
from tests.corpus.registry import REGISTRY
from tests.corpus.release import RUNS

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    **({"uvloop": ("asyncio", {"use_uvloop": True})} if importlib.util.find_spec("uvloop") else {}),
    "trio": ("trio", {}),
}


Fetch = Callable[[Blob], bytes]
"""What a blob holds."""


def digests_of(stream: str, records: Sequence[Record], fetch: Fetch) -> list[str]:
    """The digest of the run from zero, and from a snapshot behind each record but the last; a word where code and log disagree."""
    verdict = judge(stream, records, REGISTRY, fetch)
    found = [verdict.state_digest if verdict.agrees else f"diverged: {verdict.difference}"]
    facts = RunState()
    for place, record in enumerate(records[:-1], 1):
        _fold(facts, [record])
        found.append(_digest(stream, _fold(restore(canonical(facts)), records[place:]), fetch))
    return found


def _fold(facts: RunState, records: Sequence[Record]) -> RunState:
    for record in records:
        batch = CODEC.decode(record.data)
        for event in batch.events:
            facts = evolve(facts, event, batch.at)
    return facts


def _digest(stream: str, facts: RunState, fetch: Fetch) -> str:
    agrees, difference = drive(parts_of(stream)[2], facts, REGISTRY, fetch)
    return state_digest(facts) if agrees else f"diverged: {difference}"


async def read(file: str) -> dict[str, Any]:
    """One digest over all runs of the file; more than one state of any run makes it another."""
    total, places = sha256(), list[int]()
    async with open_sqlite(Path(file)) as carrier:
        for summary in await carrier.heads.all(prefix=RUNS):
            records = [record async for record in carrier.log.read(summary.stream)]
            large = [blob for record in records for blob in named_in(record.data)]
            contents = {blob: await content_of(carrier.blobs, summary.stream, blob) for blob in large}
            found = digests_of(summary.stream, records, contents.__getitem__)
            total.update(f"{summary.stream} {sorted(set(found))}\n".encode())
            places.append(len(found))
            if len(set(found)) > 1:
                raise AssertionError(f"{summary.stream}: {len(set(found))} states: {sorted(set(found))[:3]}")
    return {"digest": total.hexdigest(), "places": sum(places), "fewest": min(places)}


def main(file: str, loops: Sequence[str]) -> None:
    print(json.dumps({loop: anyio.run(read, file, backend=LOOPS[loop][0], backend_options=LOOPS[loop][1]) for loop in loops}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or list(LOOPS))
