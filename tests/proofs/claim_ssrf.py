"""Calls that lead inside, whatever they are written like, and calls that do not: who is connected to, by the dialer of the product."""

from __future__ import annotations

from ipaddress import ip_address

import anyio

from tests.adapters.dialer.calls import carried, forbidden, is_blocked, legitimate, passes, special
from tests.proofs.frame import Figures, proof


@proof("ssrf", "nobody is connected to whose address is not public or whom a list forbids; everybody else is, by the name that was given")
def calls_go_where_they_may() -> Figures:
    return anyio.run(_measured)


async def _measured() -> Figures:
    wrong, right = forbidden(), legitimate()
    let_through = [call for call in wrong if not await is_blocked(call)]
    stopped = [call for call in right if not await passes(call)]
    for call in (*let_through, *stopped):
        print(call)
    return {
        "payloads": len(wrong),
        "payloads_let_through": len(let_through),
        "legitimate": len(right),
        "legitimate_stopped": len(stopped),
        "let_through_by_a_plain_check": sum(not ip_address(text).is_private for text in dict.fromkeys((*special(), *carried()))),
    }
