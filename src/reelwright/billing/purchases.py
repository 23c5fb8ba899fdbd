"""What people set out to buy, what each payment brought them, and what was taken back of it since."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.billing.checkout import CATALOGUE_VERSION, Item, ItemKind
from reelwright.ground.ids import AccountId

_BEGIN = text(
    """
    INSERT INTO purchases (id, account_id, kind, item, fingerprint, catalogue_version)
    VALUES (:id, :account, :kind, :item, :fingerprint, :version) ON CONFLICT (id) DO NOTHING
    """
)
_COLUMNS = "id, account_id, kind, item, fingerprint, state, session_id, url, created_at"
_GET = text(f"SELECT {_COLUMNS} FROM purchases WHERE id = :id")  # noqa: S608 - constants
_OPENED = text(
    """
    UPDATE purchases SET session_id = :session, url = :url
     WHERE id = :id AND url IS NULL AND coalesce(session_id, :session) = :session RETURNING id
    """
)
# A later state never gives way to an earlier one, in whichever order they are heard of.
_SETTLE = text(
    """
    UPDATE purchases SET state = :state, session_id = coalesce(session_id, :session), settled_at = now()
     WHERE account_id = :account AND (session_id = :session OR (session_id IS NULL AND id = CAST(:id AS uuid)))
       AND array_position(ARRAY['open', 'pending', 'failed', 'expired', 'paid', 'refunded'], state)
         < array_position(ARRAY['open', 'pending', 'failed', 'expired', 'paid', 'refunded'], CAST(:state AS text))
    """
)
_STATE = text("SELECT state FROM purchases WHERE account_id = :account AND session_id = :session")
_ADD = text(
    """
    INSERT INTO payments AS known
           (source, account_id, kind, payment_intent, granted_micro, boost_days, granted_by, lapses_at)
    VALUES (:source, :account, :kind, :payment_intent, :granted_micro, :boost_days, :granted_by, :lapses_at)
    ON CONFLICT (source) DO UPDATE
       SET granted_micro = known.granted_micro + excluded.granted_micro, granted_by = excluded.granted_by
     WHERE excluded.granted_micro > 0
    """
)
_BY_INTENT = text(
    """
    SELECT source, account_id, kind, payment_intent, granted_micro, clawed_micro, boost_days, granted_by, lapses_at,
           disputed, turns
      FROM payments WHERE payment_intent = :intent ORDER BY source FOR UPDATE
    """
)
_TURN = text(
    """
    UPDATE payments SET clawed_micro = :clawed, disputed = :disputed, granted_by = :granted_by, turns = turns + 1
     WHERE source = :source
    """
)
_DISPUTED = text("SELECT EXISTS (SELECT FROM payments WHERE account_id = :account AND disputed)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One try to buy. With a `url` Stripe has made its checkout."""

    id: UUID
    account_id: AccountId
    kind: ItemKind
    item: str
    fingerprint: bytes
    state: str
    session_id: str | None
    url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayment:
    """What a payment brought: credits or a boost, given by the source `granted_by`; `source` is its own name."""

    source: str
    account: AccountId
    kind: ItemKind
    payment_intent: str | None
    granted_micro: int = 0
    boost_days: int = 0
    granted_by: str | None = None
    lapses_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment under the lock. `clawed_micro` of the `granted_micro` are taken back just now."""

    source: str
    account_id: AccountId
    kind: ItemKind
    payment_intent: str | None
    granted_micro: int
    clawed_micro: int
    boost_days: int
    granted_by: str | None
    lapses_at: datetime | None
    disputed: bool
    turns: int


@dataclass(frozen=True, slots=True)
class Purchases:
    """Purchases and payments, inside one transaction."""

    session: AsyncConnection

    async def begin(self, purchase: UUID, account: AccountId, item: Item, fingerprint: bytes) -> Purchase:
        """Note that somebody sets out to buy; return what is known of it, the same for the same id."""
        values = {"id": purchase, "account": account, "kind": item.kind.value, "item": item.key}
        values |= {"fingerprint": fingerprint, "version": CATALOGUE_VERSION}
        await self.session.execute(_BEGIN, values)
        row = (await self.session.execute(_GET, {"id": purchase})).mappings().one()
        found: dict[str, Any] = {**row, "kind": ItemKind(row["kind"])}
        return Purchase(**found)

    async def opened(self, purchase: UUID, *, session: str, url: str) -> bool:
        """Note which checkout Stripe has made of it; return whether nobody had noted it before."""
        return await self.session.scalar(_OPENED, {"id": purchase, "session": session, "url": url}) is not None

    async def settle(self, account: AccountId, *, session: str, attempt: UUID | None, state: str) -> str | None:
        """Note how a checkout ended; return what is known of it then. What was paid stays so, or was paid back."""
        values = {"account": account, "session": session, "id": attempt, "state": state}
        await self.session.execute(_SETTLE, values)
        return await self.state(account, session=session)

    async def state(self, account: AccountId, *, session: str) -> str | None:
        """Return how a checkout of the account ended; None where we know of none such."""
        return await self.session.scalar(_STATE, {"account": account, "session": session})

    async def add(self, payment: NewPayment) -> None:
        """Note what a payment has brought just now; a repeat that brought nothing more changes nothing."""
        await self.session.execute(_ADD, asdict(payment))

    async def paid_by(self, payment_intent: str) -> list[Payment]:
        """Return what a payment brought, locked."""
        rows = (await self.session.execute(_BY_INTENT, {"intent": payment_intent})).mappings()
        found: list[dict[str, Any]] = [{**row, "kind": ItemKind(row["kind"])} for row in rows]
        return [Payment(**one) for one in found]

    async def turn(self, payment: Payment, *, clawed_micro: int, disputed: bool, granted_by: str | None) -> None:
        """Note what is taken back of a payment from now on. It must be locked."""
        values = {"source": payment.source, "clawed": clawed_micro, "disputed": disputed, "granted_by": granted_by}
        await self.session.execute(_TURN, values)

    async def disputed(self, account: AccountId) -> bool:
        """Say whether one of the account's payments is disputed just now."""
        return bool(await self.session.scalar(_DISPUTED, {"account": account}))
