"""The frame of the proofs: nothing passes that was not measured."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.proofs import __main__ as program
from tests.proofs import frame
from tests.proofs.frame import Bound

DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "registry", {})


def test_the_bounds_are_those_of_the_newest_decision_about_them() -> None:
    told = [found for page in sorted(DECISIONS.glob("*.md")) for found in re.findall(r"bounds\.toml: `([0-9a-f]{64})`", page.read_text())]

    assert told[-1] == hashlib.sha256(frame.BOUNDS.read_bytes()).hexdigest()


def test_every_claim_of_the_page_has_bounds() -> None:
    assert all(frame.bounds().values())


@pytest.mark.parametrize(
    ("bound", "figure", "expected"),
    [
        (Bound("equals", 1), 1, True),
        (Bound("equals", 1), 2, False),
        (Bound("at_least", 0.22), 0.22, True),
        (Bound("at_least", 0.22), 0.219, False),
        (Bound("at_most", 14), 14, True),
        (Bound("at_most", 14), 14.1, False),
        (Bound("at_most", 14), float("nan"), False),
    ],
)
def test_a_bound_is_met_or_it_is_not(bound: Bound, figure: float, expected: bool) -> None:
    assert bound.met_by(figure) is expected


def test_a_claim_holds_when_each_bound_is_met() -> None:
    frame.proof("x", "all is well")(lambda: {"lost": 0, "beside": 3})
    verdict = frame.examine("x", {"lost": Bound("equals", 0)})

    assert verdict.holds
    assert [(line.name, line.figure, line.bound) for line in verdict.lines] == [("lost", 0, Bound("equals", 0)), ("beside", 3, None)]


def test_a_claim_without_a_program_fails() -> None:
    assert not frame.examine("x", {"lost": Bound("equals", 0)}).holds


def test_a_bound_without_a_figure_fails() -> None:
    frame.proof("x", "measures something else")(lambda: {"found": 0})

    assert not frame.examine("x", {"lost": Bound("equals", 0)}).holds


def test_a_program_that_breaks_fails_and_shows_why() -> None:
    def measure() -> frame.Figures:
        raise RuntimeError("the disk is gone")

    frame.proof("x", "breaks")(measure)
    verdict = frame.examine("x", {"lost": Bound("equals", 0)})

    assert not verdict.holds
    assert "the disk is gone" in verdict.error


def test_a_program_without_bounds_fails() -> None:
    frame.proof("x", "bounds forgotten")(lambda: {"found": 0})

    assert not frame.examine("x", {}).holds


def test_two_proofs_of_one_name_are_refused() -> None:
    frame.proof("x", "first")(dict)
    declare_again = frame.proof("x", "second")

    with pytest.raises(ValueError, match="two proofs are called 'x'"):
        declare_again(dict)


def test_a_bound_with_a_misspelt_relation_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "bounds.toml"
    page.write_text('["x"]\nlost = { at_mots = 0 }\n')

    with pytest.raises(ValueError, match=r"x\.lost: expected one of equals, at_least, at_most"):
        frame.bounds(page)


def test_names_choose_by_their_beginning_and_in_the_order_of_the_page() -> None:
    assert program.chosen(["5", "1a"], ["1a", "1b", "5-w1", "5-w2"]) == ["1a", "5-w1", "5-w2"]


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(SystemExit, match="no claim is called 7"):
        program.chosen(["7"], ["1a"])


def test_the_program_ends_with_1_when_a_claim_fails_and_prints_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(frame, "discover", lambda: None)
    monkeypatch.setattr(frame, "bounds", lambda: {"good": {"lost": Bound("equals", 0)}, "bad": {"lost": Bound("equals", 0)}})
    monkeypatch.setattr(program, "KEPT", tmp_path / "made" / "proofs.json")
    frame.proof("good", "nothing is lost")(lambda: {"lost": 0})
    frame.proof("bad", "nothing is lost")(lambda: {"lost": 1})
    codes = [program.main(["good", "--json"]), program.main(["bad", "--json"])]
    told = capsys.readouterr().out
    shown = json.loads("[" + told.replace("]\n[", "],[") + "]")

    assert codes == [0, 1]
    assert [verdict["verdict"] for verdicts in shown for verdict in verdicts] == ["PASS", "FAIL"]
    assert json.loads(program.KEPT.read_text())[0]["figures"]["lost"] == {"figure": 1, "bound": "= 0", "holds": False}
