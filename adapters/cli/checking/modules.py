"""`perdure check`: the source of a module is read, and, where asked for, its workflows are watched while they are driven."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
from msgspec import Struct

from ....eventlog.errors import Invalid, NotFound
from ....runtime.inspect.checking.findings import Checked, merged
from ....runtime.inspect.checking.program import Find, Source
from ....runtime.inspect.checking.source import check
from ....runtime.inspect.checking.watching import Watch
from ....runtime.inspect.replay import judged
from ..looking.questions import code_in
from ..shared.arguments import arguments_of
from ..shared.loading import load_workflow, no_such_file, no_such_module, signal_value
from ..shared.offering import steps_in
from ..shared.places import views_of

PAGE = 500
SEED = 1
UNSEEN = "what its code would do behind that was not seen"


class Traced(Struct, frozen=True):
    """The runs that are to be made and watched."""

    runs: Sequence[str] = ()
    """Each a workflow and its arguments, as a command line has them."""
    signals: Sequence[str] = ()
    """NAME=JSON, sent to each run."""
    days: float = 2.0
    """Virtual time that a run may take."""


def check_module(target: str, traced: Traced, log: str) -> Checked:
    """What reading the source finds, and what is seen while runs are driven."""
    read = _read(target, log)
    if not traced.runs and not log:
        return read
    watch, runs, notes = Watch(), list[str](), list[str]()
    for text in traced.runs:
        runs.append(text)
        notes += _trace(target, text, traced, watch)
    if log:
        driven, unseen = anyio.run(_drive_again, log, target, watch)
        runs += driven
        notes += unseen
    seen = [msgspec.structs.replace(finding, file=_shown(Path(finding.file))) for finding in watch.findings]
    allowed = {*read.allowed, *(f"{_shown(Path(file))}:{line}" for file, line in watch.allowed)}
    return msgspec.structs.replace(read, findings=merged(read.findings, seen), allowed=sorted(allowed), runs=runs, notes=notes)


def _read(target: str, log: str) -> Checked:
    """What reading finds. Beside a log a module may hold nothing but what its definitions name."""
    name, find = sources_of(target)
    try:
        return check(name, find)
    except NotFound:
        if not log or not steps_in([target]):
            raise
        return Checked(name, [], 0, [], [])


# -- where the source is -----------------------------------------------------------------------------------------------


def sources_of(target: str) -> tuple[str, Find]:
    """The dotted name of the module that a command line names, and where the modules of its package are found. Nothing is imported."""
    name, root = _of_file(Path(target)) if target.endswith(".py") else (target, _root_of(target))
    top = name.partition(".")[0]
    alone = (root / f"{top}.py").is_file() and "site-packages" not in root.parts

    def find(wanted: str) -> Source | None:
        if not alone and wanted.partition(".")[0] != top:
            return None  # another package: only read by who checks that one
        return _source(root, wanted)

    return name, find


def _of_file(path: Path) -> tuple[str, Path]:
    """The dotted name of a file within the packages around it, and the folder that holds the outermost."""
    place = path.resolve()
    if not place.is_file():
        raise no_such_file(path)
    names, folder = [place.stem] if place.stem != "__init__" else [], place.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names), folder


def _root_of(name: str) -> Path:
    for place in (Path.cwd(), *(Path(entry) for entry in sys.path if entry)):
        if _file_of(place, name) is not None:
            return place
    raise no_such_module(name, name)


def _file_of(root: Path, name: str) -> Path | None:
    path = root.joinpath(*name.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _source(root: Path, name: str) -> Source | None:
    path = _file_of(root, name)
    if path is None:  # a folder without __init__.py is a package too
        folder = root.joinpath(*name.split("."))
        return Source(name, str(folder), "", is_package=True) if folder.is_dir() else None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            "the source cannot be read", who=f"module {name!r}", where=str(path), expected="text in UTF-8", found=str(error)
        ) from error
    return Source(name, _shown(path), text, is_package=path.name == "__init__.py")


def _shown(path: Path) -> str:
    """A path as people read it: from the working directory, where it is below."""
    place, here = path.resolve(), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else str(place)


# -- what is driven ----------------------------------------------------------------------------------------------------


def _signal(text: str) -> tuple[float, str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Invalid(
            "that names no signal", who="--signal", where=text, expected="NAME=JSON", found="no '='", instead="write for example paid=true"
        )
    return 1.0, name, msgspec.json.decode(signal_value(value))


def _trace(target: str, text: str, traced: Traced, watch: Watch) -> list[str]:
    """Run a workflow under the watch, in a simulation; what kept it from its end."""
    words = shlex.split(text)
    if not words:
        raise Invalid("that names no workflow", who="--trace", where=repr(text), expected="WORKFLOW ARGS", found="nothing")
    try:
        from ....runtime.testing.simulation import Simulation, Violation
    except ModuleNotFoundError as error:
        raise Invalid(
            "a run in virtual time needs another package",
            who="perdure check --trace",
            expected="trio",
            found=f"no module named {error.name!r}",
            instead="pip install 'perdure[testing]', or watch recorded runs: --log FILE",
        ) from error
    workflow, known = load_workflow(f"{target}:{words[0]}")
    args, kwargs = workflow.arguments.split(workflow.arguments.decode(arguments_of(workflow, words[1:])))
    signals = [_signal(signal) for signal in traced.signals]
    others = [other for other in known if other is not workflow]
    try:
        with watch:
            outcome = Simulation(SEED).run(workflow, *args, signals=signals, also=others, within=timedelta(days=traced.days), **kwargs)
    except Violation as broken:
        return [f"{text}: {_reason(str(broken))}"]
    if outcome.failure is not None:
        return [f"{text}: the run failed with {outcome.failure.type}: {outcome.failure.message}; {UNSEEN}"]
    return []


def _reason(violation: str) -> str:
    """Why a simulated run is no good, in one line."""
    if "the code disagrees with the log" in violation:
        return "driven again from its own log, the code did something else"
    _, _, first = violation.partition("  - ")
    return f"{' '.join((first or violation).split('; its events:')[0].split())}; {UNSEEN}"


async def _drive_again(log: str, target: str, watch: Watch) -> tuple[list[str], list[str]]:
    """Drive every recorded run of the module's workflows, and of definitions, anew under the watch: (the runs, notes).

    Nothing is performed and nothing is written. A run of a definition that names code of another module is not driven.
    """
    code = code_in([target])
    after: tuple[int, str] | None = None
    runs, notes, elsewhere = list[str](), list[str](), Counter[str]()
    async with views_of(log) as views:
        while page := await views.newest(prefix="run/", after=after, limit=PAGE):
            after = (page[-1].head.started_at, page[-1].stream)
            for stream in (summary.stream for summary in page if summary.head.title in code.registry.known):
                code.missing.clear()
                records = await views.records(stream)
                with watch:
                    verdict = await judged(stream, records, code.registry, views)
                if verdict.agrees is False and code.missing:
                    elsewhere[code.missing[0]] += 1
                    continue
                if verdict.agrees is not None:
                    runs.append(verdict.run)
                if verdict.agrees is False:
                    notes.append(f"run {verdict.run!r}: {verdict.difference.get('message', '')}; {UNSEEN}")
    notes += [f"{what} is not in {target}, so {count} {_runs(count)} not driven" for what, count in sorted(elsewhere.items())]
    return runs, notes


def _runs(count: int) -> str:
    return "run of a definition that names it was" if count == 1 else "runs of definitions that name it were"
