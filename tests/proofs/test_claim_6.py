"""Each mistake of errors.toml, made one by one."""

from __future__ import annotations

import pytest

from tests.proofs.teaching import PARTS, cases, made


@pytest.mark.slow
@pytest.mark.parametrize("name", cases())
def test_the_error_says_who_where_expected_found_and_what_to_do_instead(name: str) -> None:
    case = cases()[name]
    said = made(case)

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
