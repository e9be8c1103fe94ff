"""Settings of how long artifacts are kept, with the environment variables that give them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from .environment import number_of, switch_of

ENABLED, DAYS, INTERVAL = "WORKFLOWS_ARTIFACT_GC_ENABLED", "WORKFLOWS_ARTIFACT_RETENTION_DAYS", "WORKFLOWS_ARTIFACT_GC_INTERVAL_SEC"

DAY = 86_400


class ArtifactSettings(Struct, frozen=True, kw_only=True):
    """How long the artifacts of a run are kept after its end. Without `enabled` as long as the run."""

    enabled: bool = False
    """`WORKFLOWS_ARTIFACT_GC_ENABLED`."""
    retention_days: float = 30.0
    """`WORKFLOWS_ARTIFACT_RETENTION_DAYS`; parts of a day may be said."""
    interval_seconds: float = 3600.0
    """How often is looked for runs that ended so long ago (`WORKFLOWS_ARTIFACT_GC_INTERVAL_SEC`)."""

    @property
    def keep_microseconds(self) -> int:
        return round(self.retention_days * DAY * 1e6)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ArtifactSettings:
        """The settings that the environment names; what does not fit is Invalid."""
        given = cls()
        return cls(
            enabled=switch_of(environment, ENABLED, default=given.enabled),
            retention_days=number_of(environment, DAYS, given.retention_days, "days"),
            interval_seconds=number_of(environment, INTERVAL, given.interval_seconds),
        )
