"""Code changed while runs are in flight: what differs is told where it first differs, what does not differ goes on."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mutations.changing import MUTATORS
from tests.mutations.trial import trial
from tests.proofs.frame import proof

ROUNDS = 10
"""How often each kind of change is drawn."""


@proof("changes", "changed code goes on where it asks for what the log holds, and else is suspended at the first difference")
def changes() -> Mapping[str, float]:
    made = [trial(seed) for seed in range(ROUNDS * len(MUTATORS))]
    return {
        "changes": len({one.text for one in made}),
        "breaking": len({one.text for one in made if one.truth is not None}),
        "harmless": len({one.text for one in made if one.truth is None}),
        "played": len(made),
        "kinds_of_change": len(MUTATORS),
        "verdicts_wrong": sum(bool(one.verdict_wrong) for one in made),
        "first_events_wrong": sum(bool(one.first_event_wrong) for one in made),
        "appended_besides": sum(bool(one.appended_besides) for one in made),
        "resumed_otherwise": sum(bool(one.resumed_otherwise) for one in made),
    }
