"""How deep the outbox is. Beyond a point new work would only wait for the queue, and is better refused at once."""

import time
from datetime import timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import text

from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database

_DEEPEST = 50_000
_KNOWN_FOR_S = 1.0
_WAIT = timedelta(seconds=30)
_TOO_DEEP = text(
    """
    SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL AND parked_at IS NULL
                      AND deliver_at <= now() OFFSET :deepest)
    """
)
_known = WeakKeyDictionary[Database, tuple[float, bool]]()


class TooDeep(Outage):
    """So many messages are due and unsent that what is promised now would not start for long."""

    code = "outbox.too_deep"


async def check_depth(db: Database) -> None:
    """Let new work in. PostgreSQL is asked once a second at most, and reads an index. Raises TooDeep, Outage."""
    asked, deep = _known.get(db, (0.0, False))
    if (now := time.monotonic()) - asked > _KNOWN_FOR_S:
        _known[db] = now, deep  # those who come meanwhile go by what was known
        async with db.single() as tx:
            deep = bool(await tx.scalar(_TOO_DEEP, {"deepest": _DEEPEST}))
        _known[db] = now, deep
    if deep:
        raise TooDeep("More work waits to be sent than can be started soon: ask again in half a minute.", wait=_WAIT)
