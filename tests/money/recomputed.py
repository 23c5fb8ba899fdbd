"""The books, made again from the journal: every line replayed in its order, and what comes out beside what is stored.

Only the journal says what moved. Two facts that it doesn't carry are read beside it: a lot's terms (priority, when it
begins and lapses), which never change, and which lots a hold took its credits from, which is judged by those terms.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

OUTSIDE = ("granted", "sold", "spent", "expired", "clawed_back")
LINES = text("SELECT xmin::text AS by, * FROM credit_journal ORDER BY account_id, seq")
LOTS = text("SELECT * FROM credit_lots")
HOLDS = text("SELECT * FROM credit_holds")
BALANCES = text("SELECT * FROM credit_balances")


@dataclass
class Lot:
    """`seen_from`: when whoever looked would see what came into it last, as its transaction had ended."""

    amount: int
    remaining: int
    held: int = 0
    seen_from: datetime | None = None


@dataclass
class Hold:
    amount: int
    state: str = "pending"
    captured: int | None = None
    refunded: int = 0


@dataclass
class Books:
    """What the journal adds up to; `wrong` is what it, or a stored row beside it, can't be."""

    money: dict[UUID, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lots: dict[UUID, Lot] = field(default_factory=dict)
    holds: dict[tuple[UUID, int], Hold] = field(default_factory=dict)
    captured: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)
    live: dict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    unseen: dict[UUID, tuple[str, set[UUID]]] = field(default_factory=dict)
    seen: Counter[UUID] = field(default_factory=Counter)
    count: Counter[str] = field(default_factory=Counter)
    micro: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def shift(self, account: UUID, lot: UUID, *, remaining: int = 0, held: int = 0) -> None:
        """Raises KeyError for a lot that never came in."""
        now = self.lots[lot]
        now.remaining += remaining
        now.held += held
        if remaining > 0:
            now.seen_from = None
            self.unseen[account][1].add(lot)
        (self.live[account].add if now.remaining or now.held else self.live[account].discard)(lot)
        if min(now.remaining, now.held) < 0:
            self.wrong.append(f"lot {lot}: {now.remaining} remain and {now.held} are held")


async def recomputed(tx: AsyncConnection) -> Books:
    """Replay the whole journal, and compare balances, lots and holds with it. Nothing in `wrong` is expected."""
    terms = {lot.id: lot for lot in await tx.execute(LOTS)}
    holds = {(hold.generation_id, hold.attempt): hold for hold in await tx.execute(HOLDS)}
    balances = {row.account_id: row for row in await tx.execute(BALANCES)}
    books = Books()
    for line in await tx.execute(LINES):
        _follow(books, line)
        try:
            _move(books, line, terms, holds)
        except KeyError as missing:
            books.wrong.append(f"{line.source}: moves {missing}, which is not there")
    _compare_balances(books, balances)
    _compare_lots(books, terms)
    _compare_holds(books, holds)
    return books


def _follow(books: Books, line: Row) -> None:
    """The line's own arithmetic: its number, its two buckets, and what it says the account had after it."""
    account, money = line.account_id, books.money[line.account_id]
    money[line.from_bucket] -= line.amount_micro
    money[line.to_bucket] += line.amount_micro
    books.seen[account] += 1
    books.count[line.kind] += 1
    books.micro[line.kind] += line.amount_micro
    by, lots = books.unseen.setdefault(account, (line.by, set()))
    if by != line.by:  # each transaction of an account waits for the end of the one before
        for lot in lots:
            books.lots[lot].seen_from = line.at
        books.unseen[account] = (line.by, set())
    said = (line.seq, line.available_after_micro, line.held_after_micro, line.debt_after_micro)
    found = (books.seen[account], money["available"], money["held"], -money["debt"])
    if said != found or min(found) < 0:
        books.wrong.append(f"{line.source}: says {said}, and adds up to {found}")


def _move(books: Books, line: Row, terms: dict, holds: dict) -> None:
    """What the line does to lots and holds. Raises KeyError where those are not there."""
    kind, micro, account = line.kind, line.amount_micro, line.account_id
    if kind == "grant":
        books.lots[line.lot_id] = Lot(micro, 0)
        books.shift(account, line.lot_id, remaining=micro)
    elif kind == "hold":
        key = _key(line.source)
        books.holds[key] = Hold(micro)
        for lot, part in _slices(holds[key], 0, micro):
            books.shift(account, lot, remaining=-part, held=part)
        _judge_order(books, line, holds[key], terms)
    elif kind in {"capture", "void"}:
        _settle(books, line, holds)
    elif kind == "refund":
        key = books.captured[line.generation_id]
        hold = books.holds[key]
        end = (hold.captured or 0) - hold.refunded
        hold.refunded += micro
        for lot, part in _slices(holds[key], end - micro, end):
            books.shift(account, lot, remaining=part)
    elif line.lot_id is not None:  # lapsed, taken back, or paid with
        books.shift(account, line.lot_id, remaining=-micro)
        ends = terms[line.lot_id].expires_at
        if kind == "expire" and not (ends and ends <= line.at):
            books.wrong.append(f"{line.source}: lapsed before its time")


def _settle(books: Books, line: Row, holds: dict) -> None:
    """Take, or free: a hold ends once, and what a capture leaves is freed behind it. Raises KeyError."""
    key, micro = _key(line.source), line.amount_micro
    hold = books.holds[key]
    begin = hold.captured or 0
    if hold.state != "pending" and not (line.kind == "void" and hold.captured and begin + micro == hold.amount):
        books.wrong.append(f"{line.source}: settles what was {hold.state} before")
    if line.kind == "capture":
        hold.state, hold.captured, books.captured[key[0]] = "captured", micro, key
    elif hold.state == "pending":
        hold.state = "voided"
    for lot, part in _slices(holds[key], begin, begin + micro):
        books.shift(line.account_id, lot, held=-part, remaining=part if line.kind == "void" else 0)


def _judge_order(books: Books, line: Row, hold: Row, terms: dict) -> None:
    """A hold takes what is usable, by priority, then soonest to lapse. Between its two instants a lot may do either.

    It may also not see what came in while it waited for the account: READ COMMITTED looks before it waits.
    """
    began, ended = hold.created_at, line.at
    pins = [terms[lot] for lot in hold.lot_ids]
    live = [terms[lot] for lot in books.live[line.account_id]]
    for lot in pins:
        if lot.effective_at > ended or (lot.expires_at and lot.expires_at <= began):
            books.wrong.append(f"{line.source}: holds of a lot that was not usable")
    for lot in live:
        now = books.lots[lot.id]
        usable = lot.effective_at <= began and (lot.expires_at is None or lot.expires_at > ended)
        usable = usable and now.seen_from is not None and now.seen_from <= began
        if usable and now.remaining and _place(lot) < max(map(_place, pins)):
            books.wrong.append(f"{line.source}: left a lot behind that comes first")
    if sum(books.lots[lot.id].held for lot in live) != books.money[line.account_id]["held"]:
        books.wrong.append(f"{line.source}: its lots are not what it holds")


def _place(lot: Row) -> tuple[int, bool, datetime, datetime, UUID]:
    return (lot.priority, lot.expires_at is None, lot.expires_at or lot.created_at, lot.created_at, lot.id)


def _key(source: str) -> tuple[UUID, int]:
    _, generation, attempt = source.split(":")
    return UUID(generation), int(attempt)


def _slices(hold: Row, begin: int, end: int) -> list[tuple[UUID, int]]:
    """The part of a hold from one micro-credit to another, by the lots that it came from."""
    found, upto = [], 0
    for lot, size in zip(hold.lot_ids, hold.lot_micro, strict=True):
        part = min(upto + size, end) - max(upto, begin)
        upto += size
        if part > 0:
            found.append((lot, part))
    return found


def _compare_balances(books: Books, stored: dict[UUID, Row]) -> None:
    for account in stored.keys() | books.money.keys():
        row, money = stored.get(account), books.money[account]
        has = row and (row.available_micro, row.held_micro, row.debt_micro, row.version)
        should = (money["available"], money["held"], -money["debt"], books.seen[account])
        if (has or (0, 0, 0, 0)) != should:
            books.wrong.append(f"account {account}: has {has}, and its lines add up to {should}")
    everybody = sum(row.available_micro + row.held_micro - row.debt_micro for row in stored.values())
    outside = -sum(money[bucket] for money in books.money.values() for bucket in OUTSIDE)
    if everybody != outside:
        books.wrong.append(f"all accounts have {everybody}, and {outside} came in less what went")


def _compare_lots(books: Books, stored: dict[UUID, Row]) -> None:
    for lot in stored.keys() | books.lots.keys():
        row, made = stored.get(lot), books.lots.get(lot)
        has = row and (row.amount_micro, row.remaining_micro, row.held_micro)
        should = made and (made.amount, made.remaining, made.held)
        if has != should:
            books.wrong.append(f"lot {lot}: has {has}, and its lines leave {should}")


def _compare_holds(books: Books, stored: dict[tuple[UUID, int], Row]) -> None:
    for key in stored.keys() | books.holds.keys():
        row, made = stored.get(key), books.holds.get(key)
        has = row and (row.amount_micro, row.state, row.captured_micro, row.refunded_micro)
        should = made and (made.amount, made.state, made.captured, made.refunded)
        free = made and row and (made.state, row.state, row.captured_micro) == ("voided", "captured", 0)
        if has != should and not free:  # a capture of nothing moves nothing: the journal calls it a void
            books.wrong.append(f"hold {key[0]}:{key[1]}: is {has}, and its lines make {should}")
