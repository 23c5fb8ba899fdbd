"""What owners do with their webhooks and preferences: endpoints, their secrets and deliveries, and what is sent how."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from reelwright import notices
from reelwright.accounts import Account, Replays, RequestKey
from reelwright.ground import log
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.ground.versions import Versions
from reelwright.notices import Delivery, Endpoint, EndpointChange, EndpointDisabled, Endpoints, Reach, Wanted

_log = log.logger("journeys.webhooks")
_LAST = UUID(int=2**128 - 1)
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class DemoRefused(Refusal):
    kind = Kind.FORBIDDEN
    code = "webhooks.not_for_demos"


async def add(
    account: Account,
    url: str,
    *,
    description: str,
    events: Sequence[str],
    reach: Reach,
    seal: Seal,
    db: Database,
    request: RequestKey | None = None,
) -> tuple[Endpoint, str | None]:
    """Add an endpoint; return it with its secret, which is None where this request has added it before.

    Raises AddressRefused, EventUnknown, TooManyEndpoints, DemoRefused, KeyReused.
    """
    if account.demo:
        raise DemoRefused("Demo accounts are told nothing: use an account of your own for webhooks.")
    async with db.begin() as tx:
        kept, new = Endpoints(tx, account.id, partial(notices.sealed, seal=seal)), fresh()
        if (made := await Replays(session=tx).claim(account.id, request, new)) is not None:
            return await kept.get(made), None
        added = await kept.add(url, description=description, events=events, reach=reach, endpoint_id=new)
    _log.info("webhooks.endpoint_added", account_id=str(account.id), endpoint=str(new))
    return added


async def endpoints(
    account: AccountId, *, after: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Endpoint]:
    """Return so many of the account's endpoints, oldest first. Raises Outage."""
    async with db.begin() as tx:
        return await Endpoints(tx, account).listed(after=after, limit=limit)


async def endpoint(account: AccountId, endpoint_id: UUID, *, db: Database) -> Endpoint:
    """Return one. Raises NotFound."""
    async with db.begin() as tx:
        return await Endpoints(tx, account).get(endpoint_id)


async def change(
    account: AccountId,
    endpoint_id: UUID,
    change: EndpointChange,
    *,
    reach: Reach,
    db: Database,
    expected_version: Versions = None,
) -> Endpoint:
    """Change one. Raises NotFound, AddressRefused, EventUnknown, EndpointChanged."""
    async with db.begin() as tx:
        return await Endpoints(tx, account).change(endpoint_id, change, reach=reach, expected_version=expected_version)


async def remove(account: AccountId, endpoint_id: UUID, *, db: Database) -> None:
    """Delete one with its log. Raises NotFound."""
    async with db.begin() as tx:
        await Endpoints(tx, account).remove(endpoint_id)
    _log.info("webhooks.endpoint_removed", account_id=str(account), endpoint=str(endpoint_id))


async def rotate(
    account: AccountId, endpoint_id: UUID, *, seal: Seal, db: Database, request: RequestKey | None = None
) -> tuple[Endpoint, str | None]:
    """Give one a new secret and return both; None for the secret where this request has made it before.

    Raises NotFound, KeyReused.
    """
    async with db.begin() as tx:
        kept = Endpoints(tx, account, partial(notices.sealed, seal=seal))
        if await Replays(session=tx).claim(account, request, endpoint_id) is not None:
            return await kept.get(endpoint_id), None
        rotated = await kept.rotate(endpoint_id)
    _log.info("webhooks.rotated", account_id=str(account), endpoint=str(endpoint_id))
    return rotated


async def deliveries(
    account: AccountId, endpoint_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Delivery]:
    """Return so many of an endpoint's deliveries, newest first, behind the given one. Raises NotFound."""
    before, last = after or (_END_OF_TIME, _LAST)
    async with db.begin() as tx:
        await Endpoints(tx, account).get(endpoint_id)
        return await notices.deliveries(tx, endpoint_id, before=before, last=last, limit=limit)


async def replay(
    account: AccountId, delivery_id: UUID, *, db: Database, request: RequestKey | None = None
) -> tuple[Delivery, bool]:
    """Send a delivery anew, and return it; True beside it where this request has done so before, and did nothing now.

    Raises NotFound, EndpointDisabled, KeyReused.
    """
    async with db.begin() as tx:
        if await Replays(session=tx).claim(account, request, delivery_id) is not None:
            return await notices.delivery(tx, delivery_id, account=account), True
        return await notices.replay(tx, delivery_id, account=account), False


async def test(account: AccountId, endpoint_id: UUID, *, db: Database, request: RequestKey | None) -> tuple[UUID, bool]:
    """Send a test to one endpoint; return the delivery, and whether this request has sent it before.

    Raises NotFound, EndpointDisabled, KeyReused.
    """
    async with db.begin() as tx:
        new = fresh()
        if (sent := await Replays(session=tx).claim(account, request, new)) is not None:
            return sent, True
        found = await Endpoints(tx, account).get(endpoint_id)
        if found.disabled_at is not None:
            raise EndpointDisabled("This endpoint is disabled: enable it first, then test it.")
        await notices.tell_test(tx, account_id=account, endpoint=endpoint_id, delivery=new)
        return new, False


async def preferences(account: AccountId, *, db: Database) -> dict[notices.Kind, Wanted]:
    """Return how each kind of notice goes out to the account. Raises Outage."""
    async with db.begin() as tx:
        return await notices.preferences(tx, account)


async def choose(
    account: AccountId,
    chosen: Mapping[notices.Kind, Mapping[str, bool]],
    *,
    db: Database,
    expected_version: Versions = None,
) -> dict[notices.Kind, Wanted]:
    """Change how some kinds go out, `mail` or `webhook` or both, and return all. Raises PreferencesChanged, Outage."""
    async with db.begin() as tx:
        return await notices.choose(tx, account, chosen, expected_version=expected_version)
