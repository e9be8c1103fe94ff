"""Each rule that has a test has a planted break, and its test finds it: here a few of them, all in `make proofs NAME=rules`."""

from __future__ import annotations

import re
from random import Random

import pytest

from tests.semantics.breaks.planting import missed
from tests.semantics.breaks.table import RULES, discover

SHARE = 3


def test_every_rule_with_a_test_has_a_break() -> None:
    tested = {int(path.name.split("_")[2]) for path in RULES.glob("test_rule_*.py")}

    assert {planted.rule for planted in discover().values()} == tested


@pytest.mark.parametrize("name", discover())
def test_a_break_names_a_test_of_its_rule(name: str) -> None:
    planted = discover()[name]
    file, _, function = planted.test.partition("::")

    assert file.startswith(f"test_rule_{planted.rule:02}_")
    assert re.search(rf"^(async )?def {function}\(", (RULES / file).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.slow
def test_a_share_of_the_breaks_is_found() -> None:
    assert missed(Random(1).sample(sorted(discover()), SHARE)) == {}
