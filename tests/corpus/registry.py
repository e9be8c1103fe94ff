"""All workflows of the corpus, without the cases: to read what was recorded needs no library that reads or evaluates definitions."""

from __future__ import annotations

from typing import Any

from perdure.runtime.authoring.workflows import Registry, Workflow
from tests.corpus import asking, attempts, books, branching, changing, crowded, defined, families, lives, messages, plain, sagas, stopped

FILES = (plain, branching, stopped, messages, asking, families, lives, changing, attempts, sagas, crowded, books, defined)
WORKFLOWS: list[Workflow[..., Any]] = [workflow for file in FILES for workflow in file.WORKFLOWS]
REGISTRY = Registry(WORKFLOWS)
