"""A share of all injuries: what matters is found, what does not changes nothing, and healthy runs go on beside injured ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import healthy, injuries
from tests.crash.injurer import Injurer, Injury
from tests.crash.reading import ALARM

SEED = 21
INJURIES = 60


@pytest.mark.slow
def test_every_injury_that_matters_is_found_and_stops_no_healthy_run() -> None:
    diagnoses = list(injuries.diagnosed(SEED, INJURIES))

    assert injuries.told(diagnoses) == ""
    figures = injuries.summed(diagnoses, 1)
    assert figures["injuries"] == INJURIES
    assert figures["injuries_that_matter"] >= 0.75 * INJURIES
    assert figures["runs_quarantined"] > 0
    assert figures["neighbours_gone_on"] > 0
    assert figures["cut_or_restored"] > 0


def test_another_answer_without_an_alarm_is_a_miss(tmp_path: Path) -> None:
    healthy.made(tmp_path)
    injurer, injury = Injurer(tmp_path), Injury("merged", "", "flip")
    truth = injurer.truth["merged"][0]
    other = truth | {"follow": "something else"}

    assert injurer.judged(injury, dict(truth), []).matters is False
    assert injurer.judged(injury, other, []).missed == ["follow: something else"]
    assert injurer.judged(injury, other, ["a finding"]).missed == []
    assert injurer.judged(injury, truth | {"follow": f"{ALARM}Corrupt: found"}, []).missed == []
    assert injurer.judged(injury, truth | {"follow": "!TimeoutError: "}, []).missed == ["follow: !TimeoutError: "]
    assert injurer.judged(injury, {name: line for name, line in truth.items() if name != "follow"}, []).missed == ["follow: None"]
