"""A folder with workflows, and the command line in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.cli.calling import Folder, Here, forget_modules


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def here(folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """The command line in this process, called from the folder."""
    monkeypatch.chdir(folder.path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("PERDURE_LOG", raising=False)
    monkeypatch.delenv("PERDURE_DEBUG", raising=False)
    forget_modules()
    yield Here(folder, capsys)
    forget_modules()
