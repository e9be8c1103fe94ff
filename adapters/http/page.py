"""Writes the OpenAPI page as docs/openapi.json has it: `python -m perdure.adapters.http.page > docs/openapi.json`."""

from __future__ import annotations

import sys

from .app import operations
from .metrics import Metrics
from .openapi import text

if __name__ == "__main__":
    sys.stdout.write(text(operations(Metrics())))
