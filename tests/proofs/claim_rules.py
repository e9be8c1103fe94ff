"""The rules of docs/semantics.md: each has a test that is green, and that turns red when the rule is broken in the real code."""

from __future__ import annotations

from tests.proofs.frame import Figures, proof
from tests.semantics.breaks.planting import missed, unbroken
from tests.semantics.breaks.table import RULES, discover


@proof("rules", "every rule of docs/semantics.md has a test named after it that fails when just this rule is broken")
def rules_are_held() -> Figures:
    files = sorted(RULES.glob("test_rule_*.py"))
    clean, planted = unbroken(files), discover()
    unseen = missed(planted)
    for name, text in unseen.items():
        print(f"break {name} ({planted[name].test}) was missed:\n{text}")
    if clean.failed:
        print(clean.text)
    tested = {int(file.name.split("_")[2]) for file in files}
    return {
        "rules_with_a_test": len(tested),
        "planted_breaks": len(planted),
        "rules_without_a_break": len(tested - {broken.rule for broken in planted.values()}),
        "breaks_missed": len(unseen),
        "tests": clean.ran,
        "tests_that_fail_without_a_break": len(clean.failed),
    }
