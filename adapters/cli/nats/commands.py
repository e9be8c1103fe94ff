"""`perdure nats init|check|status`: the JetStream streams of a namespace, made, compared and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..shared.exits import DONE, FINDINGS
from ..shared.options import Json, wait

if TYPE_CHECKING:
    from types import ModuleType

Url = Annotated[str, typer.Argument(metavar="URL", envvar="PERDURE_LOG", help="nats://HOST:4222/NAMESPACE")]

commands = typer.Typer(help="The streams of a namespace in NATS JetStream: make, check, show.", no_args_is_help=True)


@commands.command()
def init(url: Url, json: Json = False) -> int:  # noqa: FBT002 - the parameters of a command are its options
    """Make the streams that are missing; what is there stays as it is. Where one is configured otherwise, nothing is made."""
    from ..shared.console import answer
    from .drawing import draw_initialised

    answer(wait(inspecting().initialise, url), draw_initialised, as_json=json)
    return DONE


@commands.command()
def check(url: Url, json: Json = False) -> int:  # noqa: FBT002 - the same
    """Compare the streams with what perdure relies on; exit code 10 if anything is missing or otherwise. Changes nothing."""
    from ..shared.console import answer
    from .drawing import draw_checked

    found = wait(inspecting().check, url)
    answer(found, draw_checked, as_json=json)
    return DONE if found.is_sound else FINDINGS


@commands.command()
def status(url: Url, json: Json = False) -> int:  # noqa: FBT002 - the same
    """Show what the streams hold, and who owns how many partitions."""
    from ..shared.console import answer
    from .drawing import draw_standing

    answer(wait(inspecting().status, url), draw_standing, as_json=json)
    return DONE


def inspecting() -> ModuleType:
    """What these commands ask; Unavailable where the client for NATS is not installed."""
    try:
        from ...nats import inspecting
    except ModuleNotFoundError as missing:
        from ....eventlog.errors import Unavailable

        raise Unavailable("the client for NATS is not installed", who="perdure nats", expected="the package nats-py",
                          found=f"no module {missing.name}", instead="pip install 'perdure[nats]'") from missing
    return inspecting
