"""Secrets from the environment: `{"secret": "NAME"}` in the config of a step is PERDURE_SECRET_NAME where the step is performed."""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIX = "PERDURE_SECRET_"


class SecretsInEnvironment:
    """For the tenant `default` alone: a variable does not say whose it is, and no tenant may come by another's."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def find(self, tenant: str, name: str) -> str | None:
        return self._environment.get(PREFIX + name) if tenant == "default" else None
