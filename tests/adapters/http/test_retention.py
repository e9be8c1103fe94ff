"""Artifacts that are kept no longer, over HTTP: still listed, and told to be gone, not lost."""

from __future__ import annotations

import anyio
import pytest

from perdure import ArtifactSettings, Settings
from perdure.runtime.settings.artifacts import DAY
from tests.adapters.http.shop import RUNS, shop

pytestmark = pytest.mark.anyio

SOON = Settings(artifacts=ArtifactSettings(enabled=True, retention_days=0.05 / DAY, interval_seconds=0.05))


@pytest.mark.parametrize("url", ["memory:", "file"])
async def test_what_is_kept_no_longer_is_listed_and_its_content_is_410(url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('kept')}/log.db" if url == "file" else url
    async with shop(url, settings=SOON) as service:
        ann = await service.caller("operator", "starter")
        run = await ann.start()
        path = f"{RUNS}/{run}/artifacts/notes%2Freport.txt"
        with anyio.fail_after(10):
            while (whole := await ann.get(path)).status_code != 200:
                pass
        assert "gone" not in (await ann.get(f"{RUNS}/{run}/artifacts")).json()["artifacts"][0]

        await ann.post(f"{RUNS}/{run}/signal/address", "Elm Street")
        with anyio.fail_after(10):
            while (told := await ann.get(path, if_none_match=whole.headers["etag"])).status_code != 410:
                pass
        [line] = (await ann.get(f"{RUNS}/{run}/artifacts")).json()["artifacts"]
        problem = told.json()

    assert (line["name"], line["size"], line["digest"]) == ("notes/report.txt", 1000, whole.headers["etag"].strip('"'))
    assert line["gone"].startswith("20")
    assert told.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], problem["title"]) == ("gone", 410, "the artifact is kept no longer")
    assert "WORKFLOWS_ARTIFACT_RETENTION_DAYS" in problem["instead"]
