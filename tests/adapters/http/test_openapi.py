"""The OpenAPI page: what docs/openapi.json shows is what the service is."""

from __future__ import annotations

import re

from perdure.adapters.http.app import operations
from perdure.adapters.http.metrics import Metrics
from perdure.adapters.http.openapi import page_of, text
from tests.house import tree


def test_the_page_is_that_of_the_code() -> None:
    """Written anew by `python -m perdure.adapters.http.page > docs/openapi.json`."""
    assert (tree.ROOT / "docs" / "openapi.json").read_text(encoding="utf-8") == text(operations(Metrics()))


def test_every_part_that_the_page_names_is_there() -> None:
    known = operations(Metrics())
    page = page_of(known)

    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text(known))) <= set(page["components"]["schemas"])
    assert sum(map(len, page["paths"].values())) == len(known)


def test_what_a_body_may_be_and_who_may_send_it_is_on_the_page() -> None:
    paths = page_of(operations(Metrics()))["paths"]
    create, adhoc = paths["/api/v1/workflows/definitions"]["post"], paths["/api/v1/workflows/run"]["post"]
    renew = paths["/api/v1/workflows/definitions/{definition_name}"]["put"]

    assert set(create["requestBody"]["content"]) >= {"application/json", "application/yaml"}
    assert (adhoc["x-permission"], adhoc["x-permission-besides"]) == ("workflows.runs.write", "workflows.definitions.write")
    assert paths["/api/v1/workflows/step-types"]["get"]["x-permission-instead"] == "workflows.runs.read"
    assert {"If-Match", "If-None-Match"} <= {one["name"] for one in renew["parameters"]}
    assert {"408", "412", "422"} <= renew["responses"].keys()
