"""One account's books, locked and in memory: for what is rarer than a hold and needs more than one statement.

Whoever has an account's `Books` has its balance row, which everybody else locks first; so what was read stays true
until the transaction ends. Movements change the books and add journal lines; `write` writes both.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row, Table, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId, fresh
from reelwright.ledger.tables import JournalRow, LotRow

MICRO = 1_000_000
_MOST = 2**60
_GIVEN_AGAIN_FOR = timedelta(days=7)
_MOMENT = timedelta(microseconds=1)
PART = " "
"""Between a source and the number of its further line: what no Idempotency-Key and no source has in it."""

_JOURNAL: Table = cast("Table", JournalRow.__table__)
_LOTS: Table = cast("Table", LotRow.__table__)
_FOUND = text(
    "INSERT INTO credit_balances (account_id) SELECT unnest(CAST(:accounts AS uuid[])) ON CONFLICT DO NOTHING"
)
_LOCK = text(
    """
    SELECT account_id, available_micro, held_micro, debt_micro, version FROM credit_balances
     WHERE account_id = ANY(:accounts) ORDER BY account_id FOR NO KEY UPDATE
    """
)
_OPEN = text(
    """
    SELECT account_id, id, origin, amount_micro, remaining_micro, held_micro, effective_at, expires_at, external_ref,
           effective_at <= statement_timestamp() AS begun,
           coalesce(expires_at <= statement_timestamp(), false) AS lapsed
      FROM credit_lots WHERE account_id = ANY(:accounts) AND (live OR id = ANY(:also))
     ORDER BY priority, expires_at NULLS LAST, created_at, id FOR NO KEY UPDATE
    """
)
_CHANGE_LOT = text("UPDATE credit_lots SET remaining_micro = :remaining WHERE id = :id")
_CHANGE_BALANCE = text(
    """
    UPDATE credit_balances
       SET available_micro = :available, debt_micro = :debt, version = :version, updated_at = now()
     WHERE account_id = :account
    """
)
_NOW = text("SELECT statement_timestamp()")


class Origin(StrEnum):
    """Where granted credits come from. The order is the order of their use."""

    PROMO = "promo"
    MONTHLY = "monthly"
    BOOST = "boost"
    ADMIN = "admin"
    PURCHASE = "purchase"

    @property
    def bucket(self) -> str:
        """The bucket of the journal that they come from."""
        return "sold" if self is Origin.PURCHASE else "granted"

    @property
    def priority(self) -> int:
        """The smaller, the sooner they are used."""
        return _PRIORITY[self]


_PRIORITY = {Origin.PROMO: 10, Origin.MONTHLY: 20, Origin.BOOST: 30, Origin.ADMIN: 30, Origin.PURCHASE: 40}


def in_credits(micro: int) -> str:
    """Return an amount as people read it, with all its digits: who sends the number back must not be over it."""
    return f"{micro / MICRO:,.6f}".rstrip("0").rstrip(".")


def checked(micro: int) -> int:
    """Return the amount where a book can hold it. Raises ValueError."""
    if not 0 < micro <= _MOST:
        raise ValueError(micro)
    return micro


@dataclass(slots=True, kw_only=True)
class Lot:
    """A lot under the lock: what remains of it may change, what is held may not."""

    id: UUID
    origin: Origin
    amount: int
    remaining: int
    held: int
    begun: bool
    lapsed: bool
    expires_at: datetime | None
    source: str


@dataclass(slots=True, kw_only=True)
class Books:
    """An account's balance and lots, locked. Amounts are micro-credits."""

    session: AsyncConnection
    account: AccountId
    now: datetime
    available: int
    held: int
    debt: int
    version: int
    lots: list[Lot]
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    new_lots: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    changed_lots: dict[UUID, Lot] = field(default_factory=dict[UUID, Lot])

    @classmethod
    async def locked(cls, tx: AsyncConnection, account: AccountId, *, also: "list[UUID] | None" = None) -> "Books":
        """Lock the account's balance, made where there is none, and read its live lots and `also` these."""
        [books] = await cls.all_locked(tx, [account], also=also)
        return books

    @classmethod
    async def all_locked(
        cls, tx: AsyncConnection, accounts: "Sequence[AccountId]", *, also: "list[UUID] | None" = None
    ) -> "list[Books]":
        """Lock the balances of different accounts in the order of their ids, as above."""
        values = {"accounts": list(accounts)}
        balances = (await tx.execute(_LOCK, values)).all()
        if len(balances) < len(accounts):
            await tx.execute(_FOUND, values)
            balances = (await tx.execute(_LOCK, values)).all()
        lots = defaultdict[UUID, list[Lot]](list)
        for lot in await tx.execute(_OPEN, values | {"also": also or []}):
            lots[lot.account_id].append(_lot(lot))
        now = cast("datetime", await tx.scalar(_NOW))
        return [
            cls(
                session=tx,
                account=row.account_id,
                now=now,
                available=row.available_micro,
                held=row.held_micro,
                debt=row.debt_micro,
                version=row.version,
                lots=lots[row.account_id],
            )
            for row in balances
        ]

    def grant(
        self,
        micro: int,
        *,
        source: str,
        origin: Origin,
        effective_at: datetime | None = None,
        expires_at: datetime | None = None,
        reason: str = "",
        actor: UUID | None = None,
    ) -> None:
        """Let credits in as a lot of their own, and pay with them what is owed.

        What lapsed before it came, as the news of a period may be late, comes in all the same and goes at once.
        """
        begins = effective_at or (self.now if expires_at is None else min(self.now, expires_at - _MOMENT))
        lot = Lot(
            id=fresh(),
            origin=origin,
            amount=micro,
            remaining=micro,
            held=0,
            begun=begins <= self.now,
            lapsed=expires_at is not None and expires_at <= self.now,
            expires_at=expires_at,
            source=source,
        )
        self.lots.append(lot)
        self.new_lots.append(
            {
                "id": lot.id,
                "account_id": self.account,
                "origin": origin.value,
                "amount_micro": micro,
                "remaining_micro": micro,
                "priority": origin.priority,
                "effective_at": begins,
                "expires_at": expires_at,
                "external_ref": source,
            }
        )
        self.available += micro
        self.line("grant", origin.bucket, "available", micro, source, lot=lot, reason=reason, actor=actor)
        self.expire()
        self.repay()

    def give_again(self, micro: int, *, reference: str) -> None:
        """Give credits that have lapsed while we kept them from being used back, for seven days."""
        self.grant(
            micro,
            source=f"grant:regrant:{reference}",
            origin=Origin.PROMO,
            expires_at=self.now + _GIVEN_AGAIN_FOR,
            reason="given again for work that failed",
        )

    def give_back(self, lot_id: UUID, micro: int) -> None:
        """Put refunded credits back into the lot that they were taken from; the caller writes the line."""
        lot = next(lot for lot in self.lots if lot.id == lot_id)
        lot.remaining += micro
        self.changed_lots[lot.id] = lot

    def expire(self) -> int:
        """Let go what remains of lapsed lots and isn't held; return how much that was."""
        gone = 0
        for lot in self.lots:
            if lot.lapsed and lot.remaining:
                source = f"expire:{lot.id}:{self.version + 1}"
                gone += lot.remaining
                self._take(lot, lot.remaining, kind="expire", to_bucket="expired", source=source)
        return gone

    def repay(self) -> int:
        """Pay what is owed from what is there; return how much that was."""
        paid = 0
        for lot in self.lots:
            micro = min(lot.remaining, self.debt)
            if micro and not lot.lapsed:
                self.debt -= micro
                paid += micro
                self._take(lot, micro, kind="repay", to_bucket="debt", source=f"repay:{lot.id}:{self.version + 1}")
        return paid

    def take_back(
        self,
        micro: int,
        *,
        kind: str,
        to_bucket: str,
        source: str,
        first: Callable[[Lot], bool] = lambda _lot: False,
        reason: str = "",
        actor: UUID | None = None,
    ) -> int:
        """Take credits out of what isn't held, of the lots that are `first` first; the rest becomes debt, returned.

        One line a lot, one behind the other, the first with the plain `source`, the others with their number, too.
        """
        short, at = micro, 0
        for lot in sorted(self.lots, key=lambda lot: not first(lot)):
            part = min(short, lot.remaining)
            if part and not lot.lapsed:
                named = f"{source}{PART}{at}" if at else source
                self._take(lot, part, kind=kind, to_bucket=to_bucket, source=named, reason=reason, actor=actor)
                short, at = short - part, at + 1
        if short:
            self.debt += short
            self.line(
                kind, "debt", to_bucket, short, f"{source}{PART}{at}" if at else source, reason=reason, actor=actor
            )
        return short

    def _take(
        self,
        lot: Lot,
        micro: int,
        *,
        kind: str,
        to_bucket: str,
        source: str,
        reason: str = "",
        actor: UUID | None = None,
    ) -> None:
        lot.remaining -= micro
        self.available -= micro
        self.changed_lots[lot.id] = lot
        self.line(kind, "available", to_bucket, micro, source, lot=lot, reason=reason, actor=actor)

    def line(
        self,
        kind: str,
        from_bucket: str,
        to_bucket: str,
        micro: int,
        source: str,
        *,
        lot: Lot | None = None,
        generation: UUID | None = None,
        reason: str = "",
        actor: UUID | None = None,
    ) -> None:
        """Add a journal line with what the account has after it; balances have been changed before."""
        self.version += 1
        self.lines.append(
            {
                "account_id": self.account,
                "seq": self.version,
                "kind": kind,
                "from_bucket": from_bucket,
                "to_bucket": to_bucket,
                "amount_micro": micro,
                "available_after_micro": self.available,
                "held_after_micro": self.held,
                "debt_after_micro": self.debt,
                "generation_id": generation,
                "lot_id": lot.id if lot else None,
                "source": source,
                "reason": reason,
                "actor": actor,
            }
        )

    async def write(self) -> None:
        """Write what has changed. A source that was used before raises IntegrityError."""
        await self.write_all([self])

    @classmethod
    async def write_all(cls, several: "Sequence[Books]") -> None:
        """Write what has changed in books of one transaction, as above."""
        changed = [books for books in several if books.lines]
        if not changed:
            return
        tx = changed[0].session
        if new := [lot for books in changed for lot in books.new_lots]:
            await tx.execute(insert(_LOTS), new)
        if lots := [lot for books in changed for lot in books.changed_lots.values()]:
            await tx.execute(_CHANGE_LOT, [{"id": lot.id, "remaining": lot.remaining} for lot in lots])
        await tx.execute(_CHANGE_BALANCE, [books.balance for books in changed])
        await tx.execute(insert(_JOURNAL), [line for books in changed for line in books.lines])
        for books in changed:
            books.lines, books.new_lots, books.changed_lots = [], [], {}

    @property
    def balance(self) -> dict[str, Any]:
        return {
            "available": self.available,
            "debt": self.debt,
            "version": self.version,
            "account": self.account,
        }


def _lot(row: Row[Any]) -> Lot:
    return Lot(
        id=row.id,
        origin=Origin(row.origin),
        amount=row.amount_micro,
        remaining=row.remaining_micro,
        held=row.held_micro,
        begun=row.begun,
        lapsed=row.lapsed,
        expires_at=row.expires_at,
        source=row.external_ref,
    )
