"""What Redis does when its memory is full: asked once at the start, as a dropped counter would be a limit set anew."""

import re
from contextlib import suppress
from typing import Any, Final

from reelwright.admission.scripts import Transport, Unreachable

KEEPS_ALL: Final = "noeviction"
_TOLD: Final = re.compile(r"^maxmemory_policy:(\S+)", re.MULTILINE)


async def policy(transport: Transport, *, within_s: float) -> str | None:
    """Return the server's maxmemory-policy, or None where it doesn't tell (Upstash). Raises Unreachable, TimeoutError.

    Any but `noeviction` drops counters that have a TTL, as all of ours have. Each of two questions may take longer than
    requests wait for Redis: a process that starts is busy, and asks once.
    """
    told = await transport.call(["INFO", "memory"], within_s)
    found = _TOLD.search(_text(told))
    if found:
        return found[1]
    with suppress(Unreachable):
        configured = await transport.call(["CONFIG", "GET", "maxmemory-policy"], within_s)
        return _text(configured[1]) if configured else None
    return None


def _text(cell: Any) -> str:
    return cell.decode() if isinstance(cell, bytes) else str(cell)
