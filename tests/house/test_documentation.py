"""The documentation is tested: its programs run, its commands exist, its links lead somewhere.

A ```python block runs by itself in an empty folder; ```python continues goes on with the one before. What is not
meant to run is not called python: ```text. What is marked `nats` is run by the tests of its page, beside a server.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from perdure.adapters.cli.main import exit_code_of
from tests.house import pages, tree

PAGES = [pytest.param(page, id=tree.name(page)) for page in pages.pages()]
PROGRAMS = [pytest.param(program, id=program[0].where) for page in pages.pages() for program in pages.programs(page)]
COMMANDS = [pytest.param(command, id=f"{block.where} {command}") for page in pages.pages() for block, command in pages.commands(page)]


def test_the_readme_leads_with_its_two_commands() -> None:
    first = next(pages.commands(tree.ROOT / "README.md"))[0]

    assert [command for block, command in pages.commands(tree.ROOT / "README.md") if block == first] == ["make demo", "make test"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_in_the_documentation_runs(program: list[pages.Block], tmp_path: Path) -> None:
    source = tmp_path / "shown.py"
    source.write_text("\n".join(block.text for block in program), encoding="utf-8")
    run = [sys.executable, "-W", "error", str(source)]
    told = subprocess.run(run, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)

    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_program_of_the_documentation_defines_is_used_in_it(program: list[pages.Block]) -> None:
    """A step or a workflow that nobody calls shows nothing."""
    nodes = list(ast.walk(ast.parse("\n".join(block.text for block in program))))
    named = {node.id for node in nodes if isinstance(node, ast.Name)}
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert [one.name for one in functions if _is_called_by_runs(one) and one.name not in named] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_documentation_exists(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "perdure":
        assert exit_code_of([*words[1:], "--help"]) == 0
    elif words[0] == "make":
        assert _understood(["make", "--dry-run", *words[1:]])
    else:
        assert shutil.which(words[0]), f"documentation shows {words[0]!r}, which nobody here can run"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [target for target in pages.links(page) if not _leads_somewhere(page, target)] == []


def test_every_page_can_be_reached_from_the_first() -> None:
    found, unread = set[Path](), [tree.ROOT / "README.md"]
    while unread:
        page = unread.pop()
        found.add(page)
        there = {(page.parent / unquote(target).partition("#")[0]).resolve() for target in pages.links(page)}
        unread += [one for one in there - found - {*unread} if one.suffix == ".md" and one.exists()]
    decisions = tree.ROOT / "docs" / "decisions"  # linked as a folder

    assert [tree.name(page) for page in pages.pages() if page not in found and page.parent != decisions] == []


def test_the_page_of_promises_names_every_claim() -> None:
    page = (tree.ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    named = tuple(re.findall(r"`([^`]+)`", page))
    claims = tomllib.loads((tree.ROOT / "tests" / "proofs" / "bounds.toml").read_text(encoding="utf-8"))

    assert [claim for claim in claims if not claim.startswith(named)] == []


def test_the_page_of_settings_names_every_variable_that_is_read() -> None:
    page = (tree.ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rooms = [tree.ROOT / room for room in ("eventlog", "actors", "runtime", "adapters")]
    sources = [path.read_text(encoding="utf-8") for path in tree.files() if path.suffix == ".py" and _is_in(path, rooms)]
    named = {name for source in sources for name in re.findall(r"\b(?:PERDURE|WORKFLOWS)_[A-Z0-9_]*[A-Z0-9]\b", source)}

    assert sorted(name for name in named if f"`{name}`" not in page) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_says_what_it_is(page: Path) -> None:
    known = {"python", "text", "bash", "console", "json", "sql", "toml"}
    marked = {"continues", "nats"}

    assert [block.where for block in pages.blocks(page) if block.language not in known or not set(block.marks) <= marked] == []


def _is_called_by_runs(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is a step or a workflow."""
    decorators = [ast.unparse(decorator).partition("(")[0] for decorator in function.decorator_list]
    return any(decorator.removeprefix("perdure.") in {"step", "workflow"} for decorator in decorators)


def _is_in(path: Path, rooms: list[Path]) -> bool:
    return any(path.is_relative_to(room) for room in rooms)


def _understood(command: list[str]) -> bool:
    told = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 0, told.stdout + told.stderr
    return True


def _leads_somewhere(page: Path, target: str) -> bool:
    if target.startswith(("http://", "https://", "mailto:")):
        return True
    where, _, anchor = unquote(target).partition("#")
    there = (page.parent / where).resolve() if where else page
    return there.exists() and (not anchor or there.suffix != ".md" or anchor in pages.anchors(there))
