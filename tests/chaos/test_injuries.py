"""A share of the injuries of a server's store; `make proofs NAME=nats-injuries` makes 200."""

from __future__ import annotations

from tests.chaos import injuries
from tests.crash import injuries as embedded

SEED = 1
INJURIES = 4


def test_what_was_done_to_the_store_of_a_server_is_found_and_stops_no_healthy_run() -> None:
    diagnoses = list(injuries.diagnosed(SEED, INJURIES))

    assert embedded.told(diagnoses) == ""
    figures = embedded.summed(diagnoses, 1)
    assert figures["cut_or_restored"] == 1
    assert figures["injuries_that_matter"] > 1
