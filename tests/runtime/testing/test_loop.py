"""The seeded loop: it repeats itself, or it refuses."""

from __future__ import annotations

import pytest

from perdure.eventlog.errors import Unavailable
from perdure.runtime.testing import loop


def test_the_known_scenario_goes_as_known() -> None:
    loop.prove()


def test_another_seed_gives_another_order() -> None:
    assert len({loop.run_seeded(seed, loop.known_scenario) for seed in range(5)}) == 5


def test_a_trio_that_goes_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "KNOWN_ORDER", "another")
    monkeypatch.setattr(loop, "_proven", [])
    with pytest.raises(Unavailable, match="cannot repeat itself"):
        loop.run_seeded(1, loop.known_scenario)


def test_a_trio_without_the_hooks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from trio._core import _run

    monkeypatch.delattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING")
    with pytest.raises(Unavailable) as error:
        loop.run_seeded(1, loop.known_scenario)

    assert "_ALLOW_DETERMINISTIC_SCHEDULING" in error.value.found
    assert "constraints.txt" in error.value.instead
