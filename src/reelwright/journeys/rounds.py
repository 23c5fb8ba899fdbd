"""Going round many accounts, one after the other, so that one that can't be done holds up none behind it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from reelwright.ground import log
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId

_T = TypeVar("_T")
_log = log.logger("journeys.rounds")


async def attempt(do: Callable[[], Awaitable[_T]], *, chore: str, account_id: AccountId) -> _T | None:
    """Do it and return what it returns; None, and a logged traceback, where it failed. Raises Outage."""
    try:
        return await do()
    except Outage:
        raise
    except Exception:  # noqa: BLE001 - a bug with one account must not stop the others; it is logged with its traceback
        _log.exception("rounds.account_failed", chore=chore, account_id=str(account_id))
        return None
