"""What the command line takes from the environment, beside the options that name a variable of theirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....runtime.settings.node import Settings

OURS = ("PERDURE_", "WORKFLOWS_")
"""How the names of variables begin that a user has set for runs of their own."""


def debugging() -> bool:
    """Whether errors may show their traceback: PERDURE_DEBUG=1."""
    return os.environ.get("PERDURE_DEBUG", "") not in ("", "0")


def log() -> str:
    """The log of commands that name none by `--log`; empty for the default."""
    return os.environ.get("PERDURE_LOG", "")


def api_key() -> str:
    """The key or token with which a service over HTTP is asked; empty for none."""
    return os.environ.get("PERDURE_API_KEY", "")


def key_secret() -> str:
    """The secret by which keys are known; empty for none, and then none can be made."""
    return os.environ.get("PERDURE_KEY_SECRET", "")


def settings(*, drain_seconds: float) -> Settings:
    """Those of a runtime; `drain_seconds` is how long steps may go on when it ends."""
    from msgspec.structs import replace

    from ....runtime.settings.node import Settings

    return replace(Settings.of(os.environ), drain_seconds=drain_seconds)


def of_a_demo(**more: str) -> dict[str, str]:
    """The environment of the processes of a demo: with none of what the user has set for runs of their own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | more
