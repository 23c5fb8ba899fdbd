"""What Redis does when its memory is full: asked once at the start, as a dropped counter would be a limit set anew."""

import re
from contextlib import suppress
from typing import Any, Final

from reelwright.admission.scripts import Transport, Unreachable

KEEPS_ALL: Final = "noeviction"
_TOLD: Final = re.compile(r"^maxmemory_policy:(\S+)", re.MULTILINE)


async def policy(transport: Transport) -> str | None:
    """Return the server's maxmemory-policy, or None where it doesn't tell (Upstash). Raises Unreachable.

    Any but `noeviction` drops counters that have a TTL, as all of ours have.
    """
    told = await transport.call(["INFO", "memory"])
    found = _TOLD.search(_text(told))
    if found:
        return found[1]
    with suppress(Unreachable):
        configured = await transport.call(["CONFIG", "GET", "maxmemory-policy"])
        return _text(configured[1]) if configured else None
    return None


def _text(cell: Any) -> str:
    return cell.decode() if isinstance(cell, bytes) else str(cell)
