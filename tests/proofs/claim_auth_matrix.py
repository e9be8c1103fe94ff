"""Claim auth-matrix: who may what, asked of every operation that the OpenAPI page shows, by everybody, about everything."""

from __future__ import annotations

import anyio

from tests.adapters.http import matrix
from tests.adapters.http.shop import shop
from tests.adapters.http.subjects import KNOWN
from tests.proofs.frame import Figures, proof


@proof("auth-matrix", "every operation x visitor x tenant x (own, foreign, absent): refused, changing nothing, or done, as is right")
def nobody_may_more_or_less() -> Figures:
    return anyio.run(_measured)


async def _measured() -> Figures:
    async with shop(flows=KNOWN) as service:
        rows = matrix.rows_of((await service.client.get(matrix.PAGE)).json())
        played = matrix.Matrix(service, rows)
        unknown = await matrix.strangers(service)
        visitors = [who async for who in matrix.known(service, [*matrix.ROLES, *matrix.PAIRS])]
        await played.play([*unknown, *visitors])
    for line in (*played.wrong, *(f"{name}: never done" for name in played.never_done)):
        print(line)
    return {
        "operations": len(rows),
        "strangers": len(unknown),
        "visitors_of_two_tenants": len(visitors),
        "cells": played.cells,
        "cells_that_refuse": played.refused,
        "cells_that_allow": played.allowed,
        "cells_wrong": len(played.wrong),
        "operations_never_done": len(played.never_done),
    }
