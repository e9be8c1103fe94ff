"""Runs move between an embedded log and one in NATS, both ways, whether workers serve it or not."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from perdure import Corrupt, Refused
from perdure.adapters.moving import arriving
from perdure.adapters.moving.desk import desk
from tests.adapters.moving.shop import LARGE, ended, half_finished, judged, moved_back, moved_in, moved_out, names, order, shop, until
from tests.adapters.nats.server import NatsServer


@pytest.fixture
def shared(nats_server: NatsServer) -> str:
    return f"{nats_server.url}/{uuid4().hex}"


@pytest.mark.anyio
async def test_a_half_finished_run_goes_to_nats_and_on_from_there_while_nobody_serves_it(shared: str, tmp_path: Path) -> None:
    here, there, home = (f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "b", "home"))
    await half_finished(here, tmp_path)
    await half_finished(home, tmp_path)

    await moved_out(here, shared, tmp_path / "to-nats")
    await moved_in(shared, tmp_path / "to-nats")
    await moved_in(shared, tmp_path / "to-nats")
    left = await moved_out(shared, there, tmp_path / "from-nats")
    await moved_in(there, tmp_path / "from-nats")

    with pytest.raises(Refused, match="go on in the other log"):
        await moved_back(shared, there, left.move)
    moved, stayed = await ended(there, tmp_path), await ended(home, tmp_path)
    assert (moved.agrees, moved.content_digest) == (True, stayed.content_digest)
    assert [name for name in await names(there) if name.startswith("Moved")] == ["MovedOut", "MovedIn", "MovedOut", "MovedIn"]


@pytest.mark.anyio
async def test_runs_come_to_a_worker_and_leave_it_once_their_steps_have_ended(shared: str, tmp_path: Path) -> None:
    here, there, home = (f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "b", "home"))
    await half_finished(here, tmp_path)
    await half_finished(home, tmp_path)
    await moved_out(here, shared, tmp_path / "to-nats")
    (tmp_path / "packing").unlink()

    async with shop(shared) as worker:
        await moved_in(shared, tmp_path / "to-nats")
        await until(tmp_path / "packing")
        async with anyio.create_task_group() as group:
            group.start_soon(moved_out, shared, there, tmp_path / "from-nats")
            while await worker.run("o-1").status() == "running":  # noqa: ASYNC110 - the log is asked, which has no bell
                await anyio.sleep(0.01)
            (tmp_path / "packed").touch()
        assert await worker.run("o-1").status() == "moved"
        with pytest.raises(Refused, match="moved to another log"):
            await worker.run("o-1").signal("note", "too late")
        await moved_in(there, tmp_path / "from-nats")

    assert (await names(there)).count("StepCompleted") == 2
    moved, stayed = await ended(there, tmp_path), await ended(home, tmp_path)
    assert (moved.agrees, moved.content_digest) == (True, stayed.content_digest)


@pytest.mark.anyio
async def test_a_move_to_nats_is_taken_back_beside_a_worker_and_goes_on_at_once(shared: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/b.db"
    async with shop(shared) as worker:
        run = await worker.start(order, str(tmp_path), id="o-1")
        (tmp_path / "packed").touch()
        left = await moved_out(shared, other, tmp_path / "move")

        await moved_back(shared, other, left.move)

        await run.signal("note", "here")
        assert await run.result() == [LARGE, "packed", "here"]
        assert (await judged(worker, "o-1")).agrees
    with pytest.raises(Refused, match="taken back"):
        await moved_in(other, tmp_path / "move")


@pytest.mark.anyio
async def test_a_run_that_is_half_imported_is_decided_by_nobody(shared: str, tmp_path: Path) -> None:
    """Its snapshot, written first, says how far it must go; and the import is done again."""
    here = f"sqlite:///{tmp_path}/a.db"
    await half_finished(here, tmp_path)
    await moved_out(here, shared, tmp_path / "move")
    async with desk(shared) as found:
        label = arriving.looked_through(tmp_path / "move")
        (arrival,) = [piece for piece in arriving.pieces(tmp_path / "move", label) if isinstance(piece, arriving.Arrival)]
        await found.carrier.snapshots.save([arriving.sealed(arrival)])
        await found.carrier.log.append(list(arriving.appends(arrival, arrival.records))[:2])

    async with shop(shared) as worker:
        for _ in range(2):
            with pytest.raises(Corrupt):
                await worker.run("o-1").signal("note", "too early")
            with pytest.raises(Corrupt):
                await worker.start(order, str(tmp_path), id="o-1")
        (tmp_path / "packed").touch()
        await moved_in(shared, tmp_path / "move")
        assert await worker.run("o-1").result() == [LARGE, "packed", "mind the cat"]
