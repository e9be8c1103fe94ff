"""What the service of these tests serves: `perdure serve tests/seeds/flows.py`."""

from __future__ import annotations

from pathlib import Path

import perdure
from perdure import step, workflow


@step
async def keep(text: str) -> str:
    async with perdure.current().artifact("notes/report.txt") as out:
        await out.write(text.encode() * 100)
    return text


@step
def charge(place: str) -> str:
    """Fails until somebody has put money there."""
    if not Path(place).exists():
        raise ValueError("no money")
    return "charged"


@workflow
async def order(amount: int) -> str:
    await keep("0123456789")
    return f"{amount} to {await perdure.signal('address', str)}"


@workflow
async def pays(place: str) -> str:
    return await charge(place)


@workflow
async def asks() -> str:
    return (await perdure.approval("ship", show={"cents": 1200})).outcome
