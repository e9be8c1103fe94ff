"""`perdure demo`, `demo-service` and `cluster`: what perdure is for, shown on this machine."""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..shared.exits import DONE
from ..shared.options import Json

QUESTION = "What does it mean to pause a run, and how is it resumed?"


def demo(
    files: Annotated[int | None, typer.Option(min=10, metavar="N", help="At most so many files, spread over the library.")] = None,
    search: Annotated[str, typer.Option(metavar="WORD", help="What to ask the index for.")] = "compress",
    dir: Annotated[str, typer.Option(metavar="DIR", help="Where its files go: DIR/killed and DIR/clean are emptied first.")] = ".demo",  # noqa: A002 - the name of the option
    carrier: Annotated[str, typer.Option(metavar="sqlite|nats", help="Its log: a file, or JetStream on a server of its own.")] = "sqlite",
    json: Json = False,
) -> int:
    """Kill a run half-way with kill -9, start it again, and see that nothing was lost and nothing done twice."""
    from .indexing.play import play
    from .indexing.stage import CARRIERS
    from .indexing.telling import Telling

    if carrier not in CARRIERS:
        raise typer.BadParameter(f"{carrier!r} is no carrier: one of {', '.join(CARRIERS)}", param_hint="--carrier")
    story = play(Path(dir), files=files or 0, search=search, telling=Telling(quiet=json), carrier=carrier)
    if json:
        from ..shared.console import say_json

        say_json(story)
    return DONE


def cluster(
    calm: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="Between one blow and the next.")] = 5.0,
    dir: Annotated[str, typer.Option(metavar="DIR", help="Where its files go; those of the last time are emptied first.")] = ".cluster",  # noqa: A002 - the name of the option
    json: Json = False,
) -> int:
    """Three nats-servers, three workers and a load on this machine: one of each is killed, and nothing is lost."""
    from ...compose import nats_or_say_so
    from ..shared.console import answer

    with nats_or_say_so():
        from .cluster.board import draw_story
        from .cluster.play import play
    answer(play(Path(dir), calm=calm, quiet=json), draw_story, as_json=json)
    return DONE


def demo_service(
    question: Annotated[str, typer.Option("--ask", metavar="QUESTION", help="What to ask the documents.")] = QUESTION,
    files: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many modules, spread over the library.")] = None,
    folder: Annotated[str, typer.Option("--dir", metavar="DIR", help="Where its files go; what is there is removed.")] = ".demo-service",
    json: Json = False,
) -> int:
    """Start a service, and have a question looked up, answered, approved and told by a signed webhook, through HTTP alone."""
    from ...serving import not_installed
    from ..shared.console import say_json

    try:
        from .service.play import play
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure demo-service") from missing
    from .service.telling import Telling

    story = play(Path(folder), question=question, files=files or 0, telling=Telling(quiet=json))
    if json:
        say_json(story)
    return DONE
