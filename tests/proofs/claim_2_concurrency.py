"""Claim 2, concurrency that others forbid: two sequences in one gather, in a thousand orders, and code put into one of them."""

from __future__ import annotations

from tests.corpus.branching import two_lines
from tests.corpus.interleaved import CHANGED, differences, effects, one_schedule
from tests.proofs.frame import Figures, proof

SCHEDULES = range(1_000)
OTHER_BRANCH = "0.1/"


@proof("2", "two interleaved sequences have the same ids in every order, and code put into one shifts nothing in the other")
def same_ids_in_every_order() -> Figures:
    found = [one_schedule(seed) for seed in SCHEDULES]
    told = [differences(one.facts) for one in found]
    return {
        "schedules": len(found),
        "distinct_orders": len({one.order for one in found}),
        "distinct_id_sets": len({one.ids for one in found}),
        "distinct_results": len({one.result for one in found}),
        "replays_that_disagree": sum(not one.agrees for one in found),
        "ids_shifted_by_code_in_another_branch": sum(_shifted(seed) for seed in range(50)),
        "differences_told_of_the_wrong_branch": sum(OTHER_BRANCH in parts["expected"] + parts["found"] for parts in told),
    }


def _shifted(seed: int) -> int:
    """Ids of the other branch under which something else is done once the first branch has a step more."""
    before, after = effects(two_lines, seed), effects(CHANGED, seed)
    return sum(before.get(id) != after.get(id) for id in {**before, **after} if id.startswith(OTHER_BRANCH))
