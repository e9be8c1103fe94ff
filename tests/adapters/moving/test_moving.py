"""Runs move from one log to another, half-finished ones included, and never live in two."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

import perdure
from perdure import ArtifactSettings, Invalid, NotFound, Refused, RunError, Settings
from perdure.runtime.settings.artifacts import DAY
from tests.adapters.moving.shop import (
    FLOWS,
    begun,
    ended,
    half_finished,
    judged,
    moved_back,
    moved_in,
    moved_out,
    names,
    order,
    parent,
    shop,
    waits,
)


@pytest.fixture
def logs(tmp_path: Path) -> tuple[str, str, str]:
    return f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db", f"sqlite:///{tmp_path}/c.db"


@pytest.mark.anyio
async def test_a_half_finished_run_goes_on_in_another_log_and_does_what_it_would_have_done(
    logs: tuple[str, str, str], tmp_path: Path
) -> None:
    here, there, home = logs
    await half_finished(here, tmp_path)
    await half_finished(home, tmp_path, "o-1")

    await moved_out(here, there, tmp_path / "move")
    await moved_in(there, tmp_path / "move")

    moved, stayed = await ended(there, tmp_path), await ended(home, tmp_path)
    assert (moved.agrees, moved.content_digest) == (True, stayed.content_digest)
    async with shop(here) as runtime:
        assert await runtime.run("o-1").status() == "moved"
        with pytest.raises(Refused, match="moved to another log"):
            await runtime.run("o-1").signal("note", "too late")
        with pytest.raises(Refused, match="moved to another log"):
            await runtime.run("o-1").result()
        with pytest.raises(Refused, match="moved to another log"):
            await runtime.start(order, str(tmp_path), id="o-1")


@pytest.mark.anyio
async def test_a_run_that_comes_home_goes_on_in_its_own_stream(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, _ = logs
    await half_finished(here, tmp_path)
    await moved_out(here, there, tmp_path / "away")
    await moved_in(there, tmp_path / "away")

    await moved_out(there, here, tmp_path / "home")
    came = await moved_in(here, tmp_path / "home")

    assert came.records < len(await names(here))
    assert (await ended(here, tmp_path)).agrees
    assert [name for name in await names(here) if name.startswith("Moved")] == ["MovedOut", "MovedIn", "MovedOut", "MovedIn"]
    with pytest.raises(Refused, match="not on this move"):
        await moved_in(there, tmp_path / "away")


@pytest.mark.anyio
async def test_a_move_that_was_not_imported_can_be_taken_back_and_then_its_file_is_void(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, other = logs
    await half_finished(here, tmp_path)
    left = await moved_out(here, there, tmp_path / "move")
    with pytest.raises(Invalid, match="goes to another log"):
        await moved_back(here, other, left.move)
    with pytest.raises(NotFound, match="no such move"):
        await moved_back(there, here, left.move)

    for _ in range(2):
        assert (await moved_back(here, there, left.move)).runs == ["o-1"]

    with pytest.raises(Refused, match="taken back"):
        await moved_in(there, tmp_path / "move")
    assert (await ended(here, tmp_path)).agrees
    assert await names(there) == []


@pytest.mark.anyio
async def test_a_move_that_was_imported_is_not_taken_back(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, _ = logs
    await half_finished(here, tmp_path)
    left = await moved_out(here, there, tmp_path / "move")
    for _ in range(2):
        await moved_in(there, tmp_path / "move")

    with pytest.raises(Refused, match="go on in the other log"):
        await moved_back(here, there, left.move)

    assert (await names(here))[-1] == "MovedOut"
    assert (await names(there)).count("MovedIn") == 1
    assert (await ended(there, tmp_path)).agrees


@pytest.mark.anyio
async def test_an_import_is_for_one_log_and_for_a_name_that_is_free(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, other = logs
    await half_finished(here, tmp_path)
    await half_finished(there, tmp_path)
    left = await moved_out(here, there, tmp_path / "move")

    with pytest.raises(Refused, match="goes to another log"):
        await moved_in(other, tmp_path / "move")
    with pytest.raises(Refused, match="another run of that name"):
        await moved_in(there, tmp_path / "move")

    await moved_back(here, there, left.move)
    assert (await ended(here, tmp_path)).agrees
    with pytest.raises(Invalid, match="log that it is in"):
        await moved_out(here, here, tmp_path / "nowhere")


@pytest.mark.anyio
async def test_a_file_that_was_altered_anywhere_is_not_imported(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, _ = logs
    await half_finished(here, tmp_path)
    await moved_out(here, there, tmp_path / "move")
    whole = (tmp_path / "move").read_bytes()
    lines = whole.splitlines(keepends=True)
    bent = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(5, len(whole), len(whole) // 16)]
    torn = [b"".join(lines[:number] + lines[number + 1 :]) for number in range(len(lines))]

    for content in (*bent, *torn, b"", whole + b"{}\n"):
        (tmp_path / "bent").write_bytes(content)
        with pytest.raises(Invalid):
            await moved_in(there, tmp_path / "bent")

    assert await names(there) == []
    await moved_in(there, tmp_path / "move")


@pytest.mark.anyio
async def test_a_run_is_moved_with_those_that_wait_for_it(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, _ = logs
    async with shop(here) as runtime:
        await runtime.start(parent, id="p")
        await begun(runtime, "p/0")

    for alone in ("p", "p/0"):
        with pytest.raises(Refused, match="without those"):
            await moved_out(here, there, tmp_path / "move", alone)
    assert "Paused" not in [*await names(here, "p"), *await names(here, "p/0")]
    await moved_out(here, there, tmp_path / "move", "p", "p/0")
    await moved_in(there, tmp_path / "move")

    async with shop(there) as runtime:
        await runtime.run("p/0").signal("go", "done")
        assert await runtime.run("p").result() == "done"


@pytest.mark.anyio
async def test_a_run_stands_after_the_move_as_before_it(logs: tuple[str, str, str], tmp_path: Path) -> None:
    """Paused by a person it stays paused; delayed it waits for its time; ended it has ended."""
    here, there, _ = logs
    async with shop(here) as runtime:
        paused = await runtime.start(waits, id="paused")
        await paused.pause("lunch")
        await (await runtime.start(waits, id="ended")).signal("go", "done")
        await runtime.run("ended").result()
        await (await runtime.start(waits, id="failed")).terminate("enough")
    await moved_out(here, there, tmp_path / "move", "paused", "ended", "failed")
    await moved_in(there, tmp_path / "move")

    async with shop(there) as runtime:
        assert [await runtime.run(id).status() for id in ("paused", "ended", "failed")] == ["paused", "completed", "terminated"]
        assert await runtime.run("ended").result() == "done"
        with pytest.raises(RunError):
            await runtime.run("failed").result()
        await runtime.run("paused").signal("go", "on")
        await runtime.run("paused").resume()
        assert await runtime.run("paused").result() == "on"
        assert (await judged(runtime, "paused")).agrees


@pytest.mark.anyio
async def test_an_artifact_that_is_gone_stays_gone_and_large_values_go_along(logs: tuple[str, str, str], tmp_path: Path) -> None:
    here, there, _ = logs
    await half_finished(here, tmp_path)
    stayed = await ended(here, tmp_path)
    soon = ArtifactSettings(enabled=True, retention_days=0.001 / DAY, interval_seconds=0.02)
    with anyio.fail_after(20):
        async with perdure.open(here, workflows=FLOWS, settings=Settings(artifacts=soon)) as runtime:
            while not (await runtime.artifacts("o-1"))["survey"].gone or await runtime.carrier.heads.due(0):
                await checkpoint()
            since = (await runtime.artifacts("o-1"))["survey"].gone

    await moved_out(here, there, tmp_path / "move")
    await moved_in(there, tmp_path / "move")
    moved = await ended(there, tmp_path)

    assert (moved.agrees, moved.content_digest) == (True, stayed.content_digest)
    async with shop(there) as runtime:
        assert (await runtime.artifacts("o-1"))["survey"].gone == since
