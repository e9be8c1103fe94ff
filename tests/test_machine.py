"""A part that the machine lacks is told, and in strict mode it is a failure."""

from __future__ import annotations

import subprocess

import pytest

from tests import machine


@pytest.fixture(autouse=True)
def _own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "left_out", {})


def test_a_test_without_its_part_is_left_out_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_STRICT_MACHINE", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no abacus"):
        machine.missing("abacus")
    assert [test.split("::")[-1] for test in machine.left_out["abacus"]] == ["test_a_test_without_its_part_is_left_out_and_remembered"]


def test_in_strict_mode_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_STRICT_MACHINE", "1")

    with pytest.raises(pytest.fail.Exception, match="no abacus"):
        machine.missing("abacus")


def test_the_nats_server_answers() -> None:
    told = subprocess.run([str(machine.nats_server()), "--version"], capture_output=True, text=True, check=True)

    assert told.stdout.startswith("nats-server: v2.")


@pytest.mark.timeout(300)  # makes the environment the first time
@pytest.mark.parametrize("version", machine.PYTHONS)
def test_each_supported_python_imports_perdure(version: str) -> None:
    program = "import sys, perdure; print('%d.%d' % sys.version_info[:2], perdure.__version__)"
    told = subprocess.run([str(machine.python(version)), "-W", "error", "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout.split()[0] == version


def test_an_impossible_python_is_missing_not_guessed() -> None:
    assert machine.environment("3.99") is None
