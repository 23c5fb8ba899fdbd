"""Credits for work: held, captured, voided. Each is one call that moves balance, lots and journal together.

    hold      available → held                   once an attempt at a generation
    capture   held → spent, the rest → available once a hold
    void      held → available                   once a hold

Each is a function in the database, so that nothing stays locked over a round trip. A hold begins with the account's
balance, under a condition that it checks itself, so nothing oversells. What follows sees whatever that waited for; the
condition doesn't: a hold that finds too little asks a second time, with the balance locked.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Statement, rows
from reelwright.ledger.account import MICRO, Books, in_credits

_HOLDING = "credits_hold({account}, :generation, CAST(:attempt AS smallint), CAST(:micro AS bigint))"
_HOLD = Statement(f"SELECT {_HOLDING.format(account=':account')} AS done")
_SETTLE = Statement("SELECT * FROM credits_settle(:generation, :state, CAST(:micro AS bigint))")
_IS_HELD = text("SELECT EXISTS (SELECT FROM credit_holds WHERE generation_id = :generation AND attempt = :attempt)")
_SETTLED = text(
    """
    SELECT amount_micro, coalesce(captured_micro, 0) AS captured
      FROM credit_holds WHERE generation_id = :generation ORDER BY attempt DESC LIMIT 1
    """
)
CHARGED = """
    (SELECT sum(captured_micro - refunded_micro)::bigint FROM credit_holds WHERE generation_id = :generation)
"""
"""What was taken for a generation so far and not refunded, for a statement that reads more; NULL where nothing was."""
_CHARGED = Statement(f"SELECT {CHARGED} AS charged")
_BALANCE = text(
    """
    SELECT least(available_micro, coalesce(usable.micro, 0))::bigint AS available, held_micro, debt_micro
      FROM credit_balances b, LATERAL (
           SELECT sum(remaining_micro) AS micro FROM credit_lots l
            WHERE l.account_id = b.account_id AND live AND effective_at <= statement_timestamp()
              AND (expires_at IS NULL OR expires_at > statement_timestamp())) AS usable
     WHERE b.account_id = :account
    """
)


class CreditsInsufficient(Refusal):
    """The account has less than the order needs; `extra` says how much of both, in credits."""

    kind = Kind.UNPAID
    code = "credits.insufficient"


class DebtOpen(Refusal):
    """Credits that had been used were taken back; `extra` says how much is owed, in credits."""

    kind = Kind.UNPAID
    code = "credits.debt"


class HoldMissing(Exception):  # noqa: N818 - a bug: whoever settles has held before
    """Credits are to be taken for a generation that never held any."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has, in micro-credits: usable now, reserved for running work, and owed."""

    available_micro: int
    held_micro: int
    debt_micro: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a hold ended, in micro-credits. `now` is False where it had been settled before."""

    captured_micro: int
    voided_micro: int
    now: bool


async def hold(
    tx: AsyncConnection, *, account: AccountId, generation: GenerationId, micro: int, attempt: int = 1
) -> None:
    """Reserve credits for a generation; doing it again for the same attempt changes nothing. Free work holds nothing.

    The transaction has inserted or locked the generation before, so two holds of one attempt cannot meet; the primary
    key stands behind that. Keep it late in the transaction: it locks the account's balance.
    Raises CreditsInsufficient, DebtOpen.
    """
    if micro < 0:
        raise ValueError(micro)
    if micro == 0:
        return
    values = held(account=account, generation=generation, micro=micro, attempt=attempt)
    if await _holds(tx, values):
        return
    if await tx.scalar(_IS_HELD, {"generation": generation, "attempt": attempt}):
        return
    books = await Books.locked(tx, account)
    books.expire()
    await books.write()
    if await _holds(tx, values):
        return
    found = await balance(tx, account=account)
    if found.debt_micro:
        raise DebtOpen(
            f"{in_credits(found.debt_micro)} credits that were used have been taken back: buy credits to pay for them.",
            extra={"required": micro / MICRO, "debt": found.debt_micro / MICRO},
        )
    raise CreditsInsufficient(
        f"This needs {in_credits(micro)} credits and {in_credits(found.available_micro)} are available:"
        " buy credits, or wait for the monthly allowance.",
        extra={"required": micro / MICRO, "available": found.available_micro / MICRO},
    )


def holding(account: str) -> str:
    """Return a hold as an expression, for a statement that does more in one go: true where the credits are held now.

    It is false where they aren't: then ask `hold`, which knows more ways. `account` is the account's expression.
    """
    return _HOLDING.format(account=account)


def held(*, account: AccountId, generation: GenerationId, micro: int, attempt: int = 1) -> dict[str, Any]:
    """Return the values of `holding`."""
    return {"account": account, "generation": generation, "micro": micro, "attempt": attempt}


async def capture(tx: AsyncConnection, *, generation: GenerationId, micro: int) -> Settlement:
    """Take what was used and free the rest; more than was held is never taken, what goes beyond is ours to bear.

    A hold settles once: a second capture or void changes nothing and returns how it ended. Taking nothing where nothing
    was ever held (a demo's generation) is fine. What was pinned to the lots that lapse first is taken first, and what
    is freed into a lot that has lapsed is gone. Raises HoldMissing.
    """
    if micro < 0:
        raise ValueError(micro)
    return await _settle(tx, generation, state="captured", micro=micro, ours=False)


async def void(tx: AsyncConnection, *, generation: GenerationId, ours: bool = False) -> Settlement:
    """Free everything that is held for a generation. A hold settles once, as above.

    What belonged to a lot that has lapsed meanwhile is gone, unless the failure was `ours` and the lot lapsed less
    than 72 hours ago: then it comes back as promotional credits for seven days.
    """
    return await _settle(tx, generation, state="voided", micro=0, ours=ours)


async def balance(tx: AsyncConnection, *, account: AccountId) -> Balance:
    """Return what the account has; an account that was never given credits has none. Lapsed credits don't count."""
    row = (await tx.execute(_BALANCE, {"account": account})).one_or_none()
    return Balance(0, 0) if row is None else Balance(row.available, row.held_micro, row.debt_micro)


async def has_enough(tx: AsyncConnection, *, account: AccountId, micro: int) -> bool:
    """Say whether a hold of so much would succeed just now."""
    found = await balance(tx, account=account)
    return found.debt_micro == 0 and found.available_micro >= micro


async def charged(tx: AsyncConnection, *, generation: GenerationId) -> int:
    """Return what was taken for a generation so far and not refunded, in micro-credits."""
    return (await rows(tx, _CHARGED, {"generation": generation}))[0]["charged"] or 0


async def _holds(tx: AsyncConnection, values: dict[str, Any]) -> bool:
    return bool((await rows(tx, _HOLD, values))[0]["done"])


async def _settle(tx: AsyncConnection, generation: GenerationId, *, state: str, micro: int, ours: bool) -> Settlement:
    values: dict[str, Any] = {"generation": generation, "state": state, "micro": micro}
    [held] = await rows(tx, _SETTLE, values)
    if held["account_id"] is not None:
        freed = held["amount"] - held["captured"]
        if held["lapsed"] or (freed and held["debt"]):
            books = await Books.locked(tx, held["account_id"])
            books.expire()
            if ours and held["lately"]:
                books.give_again(held["lately"], reference=f"{generation}:{held['attempt']}")
            books.repay()
            await books.write()
        return Settlement(held["captured"], freed, now=True)
    row = (await tx.execute(_SETTLED, {"generation": generation})).one_or_none()
    if row is None and micro > 0:
        raise HoldMissing(generation)
    if row is None:
        return Settlement(0, 0, now=False)
    return Settlement(row.captured, row.amount_micro - row.captured, now=False)
