"""The rules of docs/semantics.md: each has a test that is green, and that turns red when the rule is broken in the real code."""

from __future__ import annotations

from tests.proofs.frame import Figures, proof
from tests.semantics.breaks.planting import missed, red_without_a_break
from tests.semantics.breaks.table import RULES, discover


@proof("rules", "every rule of docs/semantics.md has a test named after it that fails when just this rule is broken")
def rules_are_held() -> Figures:
    planted = discover()
    red, unseen = red_without_a_break(planted), missed(planted)
    for name, text in (*red.items(), *unseen.items()):
        print(f"break {name}, {planted[name].test}: {'red without it' if name in red else 'not found'}\n{text}")
    tested = {int(file.name.split("_")[2]) for file in RULES.glob("test_rule_*.py")}
    return {
        "rules_with_a_test": len(tested),
        "planted_breaks": len(planted),
        "rules_without_a_break": len(tested - {broken.rule for broken in planted.values()}),
        "breaks_missed": len(unseen),
        "tests_that_fail_without_a_break": len(red),
    }
