"""Who should have which partitions: evenly, with the fewest moves, the same answer everywhere."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.nats.owning.sharing import shares

WORKERS = ["ada", "bob", "cyd", "dov", "eve"]
PARTITIONS = 12

Holders = dict[int, str]

living = st.sets(st.sampled_from(WORKERS), min_size=1)
holders = st.dictionaries(st.integers(0, PARTITIONS - 1), st.sampled_from([*WORKERS, "", "dead"]))


@given(living, holders)
def test_every_partition_goes_to_somebody_living_and_nobody_has_two_more_than_another(alive: set[str], held: Holders) -> None:
    counts = Counter(dict.fromkeys(alive, 0))
    counts.update(shares(alive, held, PARTITIONS).values())
    assert set(counts) == alive
    assert counts.total() == PARTITIONS
    assert max(counts.values()) - min(counts.values()) <= 1


@given(living, holders)
def test_no_even_sharing_would_move_fewer(alive: set[str], held: Holders) -> None:
    shared = shares(alive, held, PARTITIONS)
    kept = sum(held.get(partition) == worker for partition, worker in shared.items())
    assert kept == max_kept(alive, held)


def max_kept(alive: set[str], held: Holders) -> int:
    """How many can stay where they are at most, over every choice of who has one more."""
    have = Counter(worker for worker in held.values() if worker in alive)
    each, over = divmod(PARTITIONS, len(alive))
    return max(
        sum(min(have[worker], each + (worker in favoured)) for worker in alive) for favoured in combinations(sorted(alive), over)
    )


@given(living, holders)
def test_the_order_in_which_facts_are_known_changes_nothing(alive: set[str], held: Holders) -> None:
    assert shares(sorted(alive), held, PARTITIONS) == shares(sorted(alive, reverse=True), dict(reversed(held.items())), PARTITIONS)


@given(living, holders)
def test_what_is_shared_as_it_should_be_stays(alive: set[str], held: Holders) -> None:
    shared = shares(alive, held, PARTITIONS)
    assert shares(alive, shared, PARTITIONS) == shared


@given(living, holders, st.data())
def test_each_step_of_the_way_leads_to_the_same_end(alive: set[str], held: Holders, data: st.DataObject) -> None:
    """Workers see the moves of the others one by one; none of them makes another move necessary."""
    shared = shares(alive, held, PARTITIONS)
    moved = [partition for partition, worker in shared.items() if held.get(partition) != worker]
    for partition in data.draw(st.permutations(moved)):
        held = held | {partition: shared[partition]}
        again = shares(alive, held, PARTITIONS)
        assert sum(again[p] != held.get(p) for p in again) <= sum(shared[p] != held.get(p) for p in shared)


def test_nobody_living_has_nothing() -> None:
    assert shares([], {0: "ada"}, PARTITIONS) == {}
