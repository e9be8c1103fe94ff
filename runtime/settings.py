"""Settings of a runtime, with the environment variables that give them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from ..actors.settings import Settings as ActorSettings
from ..actors.shelf import LARGE_BYTES, VALUE_BYTES_MAX
from ..eventlog.errors import Invalid
from ..eventlog.guard import BYTES_MAX
from .artifact_settings import ArtifactSettings
from .delivery_settings import WebhookSettings

LARGE_BYTES_MIN = 1024


class Settings(Struct, frozen=True, kw_only=True):
    """`worker_concurrency`: steps performed at once (`WORKER_CONCURRENCY`)."""

    worker_concurrency: int = 100
    drain_seconds: float = 30.0
    """How long running steps may go on when the runtime closes; what still runs then is performed again after the next start."""
    audit_seconds: float = 10.0
    """An actor is held against its log so often, in the background (`AUDIT_SECONDS`); 0 never. It takes a hundredth of the time at most."""
    watch_workflows: bool = False
    """Log a warning where workflow code opens a file, a socket or a process (`WATCH_WORKFLOWS=1`), once for each place."""
    large_bytes: int = LARGE_BYTES
    """A value with more bytes as JSON is kept in a blob beside the log, and its event names it."""
    value_bytes_max: int = VALUE_BYTES_MAX
    """A value with more bytes as JSON is TooLarge: a step fails for good, a start or a signal is refused."""
    webhooks: WebhookSettings = WebhookSettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    actors: ActorSettings = ActorSettings()

    def __post_init__(self) -> None:
        if not LARGE_BYTES_MIN <= self.large_bytes <= self.value_bytes_max <= BYTES_MAX:
            raise Invalid(
                "the bounds of large values do not fit",
                who="Settings",
                where="large_bytes, value_bytes_max",
                expected=f"{LARGE_BYTES_MIN} <= large_bytes <= value_bytes_max <= {BYTES_MAX}",
                found=f"{self.large_bytes}, {self.value_bytes_max}",
                instead=f"leave them out to have {LARGE_BYTES} and {VALUE_BYTES_MAX}",
            )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """The settings that the environment names; what does not fit is Invalid."""
        return cls(
            worker_concurrency=_count(environment, "WORKER_CONCURRENCY", 100),
            audit_seconds=_seconds(environment, "AUDIT_SECONDS", 10.0),
            watch_workflows=_is_on(environment, "WATCH_WORKFLOWS"),
            webhooks=WebhookSettings.of(environment),
            artifacts=ArtifactSettings.of(environment),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        seconds = float(text or default)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise Invalid("a setting does not fit", who=name, where="environment", expected="a number of seconds, or 0 for never",
                      found=repr(text), instead=f"write a number, or unset it for {default:g}")
    return seconds


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise Invalid(
            "a setting does not fit",
            who=name,
            where="environment",
            expected="a whole number from 1",
            found=repr(text),
            instead=f"write a number, or unset it for {default}",
        )
    return int(text)


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "") or "0"
    if text not in ("0", "1"):
        raise Invalid(
            "a setting does not fit", who=name, where="environment", expected="1 or 0", found=repr(text), instead="write 1, or unset it"
        )
    return text == "1"
