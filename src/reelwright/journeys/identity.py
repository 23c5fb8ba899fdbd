"""Who a key or a session belongs to, and for how long requests and half-made sign-ups are remembered."""

import contextlib
from datetime import timedelta
from uuid import uuid4

from reelwright.accounts import Accounts, Caller, KeyReused, Proofs, Replays, RequestKey, Sessions, SignIns, well_formed
from reelwright.ground.errors import Kind, Outage, Refusal
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database

REMEMBERED = timedelta(days=30)
"""How long an Idempotency-Key of anything but an order is known; an order's is known for ever."""
_BATCH = 1000


class StepUpRequired(Refusal):
    """A session whose password was given too long ago for this."""

    kind = Kind.UNAUTHENTICATED
    code = "auth.step_up_required"


def sure(caller: Caller) -> None:
    """Let those do what administrators do who gave their password lately, or hold a key. Raises StepUpRequired."""
    if caller.session_id is not None and not caller.recent:
        raise StepUpRequired("Give your password again: POST /v1/auth/step-up, then repeat this.")


async def of_key(secret: str, *, db: Database) -> Caller | None:
    """Return who calls by a live API key, or None; what is no key at all costs no connection. Raises Outage."""
    if not well_formed(secret):
        return None
    async with db.single() as tx:
        return await Accounts(session=tx).by_api_key(secret)


async def of_session(token: str, *, db: Database) -> Caller | None:
    """Return who calls by a session's token, or None; what is no token costs no connection. Raises Outage."""
    if not Sessions.shaped(token):
        return None
    async with db.single() as tx:
        return await Sessions(tx).caller(token)


async def still_valid(caller: Caller, *, db: Database) -> bool:
    """Say whether what a caller came by would let it in now: what streams ask, that outlast it. Raises Outage."""
    async with db.single() as tx:
        return await Sessions(tx).still_valid(caller)


async def done_before(account: AccountId, request: RequestKey, *, db: Database) -> bool:
    """Return whether this very request was done. Raises KeyReused where its key belongs to another, Outage."""
    async with db.single() as tx:
        return await Replays(session=tx).known(account, request) is not None


async def done(account: AccountId, request: RequestKey, *, db: Database) -> None:
    """Note that this request was done, so that its repeats do nothing.

    Of what says what shall be: where nobody could note it, the repeat does it again, and harms nothing.
    """
    with contextlib.suppress(KeyReused, Outage):
        async with db.begin() as tx:
            await Replays(session=tx).claim(account, request, uuid4())


async def forget_requests(*, db: Database) -> int:
    """Forget requests older than that; return how many they were. Raises Outage."""
    async with db.begin() as tx:
        return await Replays(session=tx).forget(REMEMBERED)


async def forget_sign_ins(*, db: Database) -> int:
    """Forget sessions and proofs that are over, and sign-ups that nobody verified; return how many. Raises Outage."""
    async with db.begin() as tx:
        gone = await Sessions(tx).forget(limit=_BATCH) + await Proofs(tx).forget(limit=_BATCH)
        return gone + await SignIns(tx).forget_unverified(limit=_BATCH)
