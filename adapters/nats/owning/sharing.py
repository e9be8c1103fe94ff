"""Sharing: who should have which partitions, from who lives and who has what. No leader: the same facts, the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def shares(living: Iterable[str], holders: Mapping[int, str], partitions: int) -> dict[int, str]:
    """The worker that should have each partition: as many each, give or take one, with the fewest moves from how it is.

    `holders` says who has a partition now; one that nobody living has goes to whoever has too few. Nobody living: nobody has any.
    """
    workers = sorted(set(living))
    if not workers:
        return {}
    held: dict[str, list[int]] = {worker: [] for worker in workers}
    for partition in range(partitions):
        if (holder := holders.get(partition, "")) in held:
            held[holder].append(partition)
    quota = _quotas(held, partitions)
    shared = {partition: worker for worker, mine in held.items() for partition in mine[: quota[worker]]}
    rooms = iter([worker for worker in workers for _ in range(quota[worker] - len(held[worker]))])
    for partition in range(partitions):
        if partition not in shared:
            shared[partition] = next(rooms)
    return shared


def _quotas(held: Mapping[str, list[int]], partitions: int) -> dict[str, int]:
    """How many each may have. What is left over when all have as many goes to those who have most, so that fewest move."""
    each, over = divmod(partitions, len(held))
    favoured = sorted(held, key=lambda worker: (-len(held[worker]), worker))[:over]
    return {worker: each + (worker in favoured) for worker in held}
