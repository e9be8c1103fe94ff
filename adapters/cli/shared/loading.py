"""Finding the code of a user: `pkg.mod` or `file.py`, and the workflows in it. What is not found is met with what is near."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from msgspec import Raw

from ....eventlog.errors import Invalid, NotFound, PerdureError
from ....runtime.authoring.steps import Step
from ....runtime.authoring.workflows import Workflow
from ....runtime.resources import steps_near


def load_workflow(target: str) -> tuple[Workflow[..., Any], list[Workflow[..., Any]]]:
    """The workflow that `MODULE:WORKFLOW` names, and all workflows of its module."""
    module_name, colon, name = target.rpartition(":")
    if not colon or not module_name or not name:
        raise Invalid(
            "that names no workflow",
            who="MODULE:WORKFLOW",
            where=target,
            expected="a module or a file, a colon, and a workflow in it",
            found="no colon" if not colon else "an empty part",
            instead="write for example shop.flows:fulfil or flows.py:fulfil",
        )
    module = load_module(module_name)
    known = workflows_of(module)
    found: Any = getattr(module, name, None)
    if found in known:
        return found, known
    named = sorted((flow for flow in known if flow.name == name), key=lambda flow: flow.version)
    if named:
        return named[-1], known
    names = [flow.name for flow in known]
    what = "no such name" if found is None else f"{type(found).__name__} {name!r}, which is no workflow"
    raise NotFound(
        "there is no such workflow in the module",
        who=f"workflow {name!r}",
        where=str(module.__file__),
        expected=listed(names) or "a function decorated with @workflow",
        found=what,
        instead=suggestion(name, names) or "decorate the function with @workflow, or name another module",
    )


def load_workflows(module_name: str) -> list[Workflow[..., Any]]:
    """All workflows of a module; one at least."""
    module = load_module(module_name)
    known = workflows_of(module)
    if not known:
        raise NotFound(
            "the module holds no workflow",
            who=f"module {module_name!r}",
            where=str(module.__file__),
            expected="functions decorated with @workflow",
            found="none",
            instead="name the module that defines the workflow",
        )
    return known


def workflows_of(module: ModuleType) -> list[Workflow[..., Any]]:
    """The workflows that the module defines or imports, each once."""
    values: list[Any] = [value for value in vars(module).values() if isinstance(value, Workflow)]
    return list(dict.fromkeys(values))


def steps_of(module: ModuleType) -> list[Step[..., Any]]:
    """The steps that the module defines or imports, and those that its workflows know by a name, each once."""
    values: list[Any] = [value for value in vars(module).values() if isinstance(value, Step)]
    near = [step for flow in workflows_of(module) for step in steps_near(flow.function)]
    return list(dict.fromkeys([*values, *near]))


def load_module(name: str) -> ModuleType:
    """The module of a dotted name, looked for in the working directory too, or of a file."""
    try:
        return _from_file(Path(name)) if name.endswith(".py") else _by_name(name)
    except PerdureError:
        raise
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise Invalid(
            "the module cannot be imported",
            who=f"module {name!r}",
            where=f"{last.filename}:{last.lineno}",
            expected="a module that imports without an error",
            found=f"{type(error).__name__}: {error}",
            instead="correct the module; PERDURE_DEBUG=1 shows the whole traceback",
        ) from error


def _by_name(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not (name == missing or name.startswith(f"{missing}.")):
            raise
        raise no_such_module(name, missing) from None


def _from_file(path: Path) -> ModuleType:
    place = path.resolve()
    if not place.is_file():
        raise no_such_file(path)
    if str(place.parent) not in sys.path:
        sys.path.insert(0, str(place.parent))
    spec = importlib.util.spec_from_file_location(place.stem, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[place.stem] = module
    spec.loader.exec_module(module)
    return module


def no_such_module(name: str, missing: str) -> NotFound:
    near = _modules_beside(name)
    return NotFound(
        "there is no such module",
        who=f"module {name!r}",
        where=f"the Python path, {Path.cwd()} first",
        expected="the dotted name of a module, or the path of a .py file",
        found=f"no module named {missing!r}",
        instead=suggestion(name, near) or "run it from the folder that holds the module, or give the path of the file",
    )


def no_such_file(path: Path) -> NotFound:
    place = path.resolve()
    near = [found.name for found in place.parent.glob("*.py")] if place.parent.is_dir() else []
    return NotFound(
        "there is no such file",
        who=f"module {str(path)!r}",
        where=str(place),
        expected="a Python file",
        found="nothing",
        instead=suggestion(path.name, near) or "correct the path",
    )


def _modules_beside(name: str) -> list[str]:
    """Dotted names of the modules in the folder where `name` was looked for."""
    package, _, _ = name.rpartition(".")
    folder = Path.cwd().joinpath(*package.split(".")) if package else Path.cwd()
    found = [
        path.stem if path.suffix == ".py" else path.name
        for path in folder.glob("*")
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    return [f"{package}.{stem}" if package else stem for stem in found]


def signal_value(text: str) -> Raw:
    """The value of a signal: JSON, or the text itself."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return Raw(msgspec.json.encode(text))
    return Raw(text.encode())


def suggestion(name: str, known: Sequence[str]) -> str:
    """What may have been meant; empty where nothing is near."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""


def listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
