"""What work would cost, asked without ordering it; and the price lists, which administrators add to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from reelwright import billing
from reelwright.accounts import Account
from reelwright.admission import Place
from reelwright.generations import Draft, GenerationKind, Part, Profile, Stage
from reelwright.ground import log
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import DraftId, GenerationId, VariantId
from reelwright.ground.metering import Action
from reelwright.ground.postgres import Database
from reelwright.journeys.auditing import audited
from reelwright.journeys.ordering import Order, prepare

_log = log.logger("journeys.pricing")
_FORESEEN = timedelta(days=366)
"""How far ahead prices can be announced; a time zone's offset can put an instant behind the last that there is."""


class ListChanged(Refusal):
    """The Idempotency-Key belongs to another price list."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


async def calculate(
    account: Account,
    *,
    kind: GenerationKind,
    db: Database,
    now: datetime,
    places: Mapping[Stage, Place],
    draft_id: DraftId | None = None,
    variant_id: VariantId | None = None,
    part: Part | None = None,
    scene: int | None = None,
    duration_s: int = 30,
    variants: int = 1,
    profile: Profile = Profile.NORMAL,
    brand_kit_id: UUID | None = None,
) -> billing.Quote:
    """Price an order as it would be held, whether or not the plan and the limits would let it in. Nothing is written.

    Raises NotFound, KitUnknown, Outage.
    """
    new = draft_id or DraftId(uuid4())
    draft = Draft(id=new, account_id=account.id, duration_s=duration_s, brand_kit_id=brand_kit_id)
    order = Order(
        id=GenerationId(uuid4()),
        key="",
        fingerprint=b"",
        kind=kind,
        draft=draft,
        existing=draft_id is not None,
        variants=variants,
        variant=variant_id,
        part=part,
        scene=scene,
        counted=False,
        profile=profile,
    )
    async with db.begin() as tx:
        return (await prepare(tx, order, account, now, places=places)).price


async def lists(*, limit: int, after: int | None, db: Database) -> tuple[list[billing.PublishedList], int]:
    """Return so many price lists, the one that comes into force last first, and the version in force. Raises Outage."""
    async with db.begin() as tx:
        catalogue = billing.Catalogue(session=tx)
        return await catalogue.lists(limit=limit, after=after), (await catalogue.current()).version


async def publish(
    changes: Mapping[Action, int],
    *,
    key: str,
    note: str,
    effective_from: datetime | None,
    by: Account,
    db: Database,
    now: datetime,
) -> billing.PublishedList:
    """Let a new price list come into force: the one of that instant with these prices, in micro-credits a unit.

    Work that was ordered before keeps its prices. Raises ListChanged, Refusal for an instant in the past or far
    off, Outage.
    """
    if effective_from is not None and not now <= effective_from <= now + _FORESEEN:
        raise Refusal(
            "effective_from: prices change within a year, and never in the past; leave it out for now.",
            field="effective_from",
            code="request.invalid",
        )
    async with db.begin() as tx:
        catalogue = billing.Catalogue(session=tx)
        source = f"{by.id}:{key}"
        repeated = await catalogue.from_source(source) is not None
        added = await catalogue.publish(changes, source=source, actor=by.id, note=note, effective_from=effective_from)
        if not repeated:
            costs = {action.value: micro for action, micro in changes.items()}
            await audited(tx, "costs.published", by=by, target=added.version, costs=costs)
    same = all(added.costs.get(action.value) == micro for action, micro in changes.items())
    if not same or added.note != note or effective_from not in {None, added.effective_from}:
        raise ListChanged(
            "This Idempotency-Key was used for another price list: send a new key.", field="Idempotency-Key"
        )
    _log.info("pricing.published", by=str(by.id), version=added.version, actions=sorted(changes))
    return added
