"""Each mistake of errors.toml, made one by one, in this process; `make proofs NAME=6` makes each in one of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from perdure.adapters.cli.main import exit_code_of
from tests.proofs.teaching import PARTS, Answer, cases, made


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Sequence[str]], Answer]:
    """The command line in this process."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("PERDURE_LOG", raising=False)
    monkeypatch.delenv("PERDURE_DEBUG", raising=False)

    def answer(path: Path, arguments: Sequence[str]) -> Answer:
        monkeypatch.chdir(path)
        sys.modules.pop("flows", None)
        code, told = exit_code_of(arguments), capsys.readouterr()
        return code, told.out, told.err

    return answer


@pytest.mark.parametrize("name", cases())
def test_the_error_says_who_where_expected_found_and_what_to_do_instead(
    name: str, answer: Callable[[Path, Sequence[str]], Answer]
) -> None:
    case = cases()[name]
    said = made(case, answer)

    assert said.parts == case.parts
    assert said.exit == case.exit
    assert [part for part in PARTS if not case.parts[part]] == []


def test_the_mistakes_that_people_make_are_all_on_the_page() -> None:
    wanted = {
        "foreign await", "create_task", "wrong argument type of a step", "wrong argument type of a workflow", "unserialisable value",
        "tuple", "bytes", "datetime", "Decimal", "set", "int keys", "NaN", "second writer on the file", "unknown workflow",
        "wrong module path", "corrupt file", "deep nesting", "illegal command", "illegal transition",
    }  # fmt: skip

    assert wanted <= set(cases())
