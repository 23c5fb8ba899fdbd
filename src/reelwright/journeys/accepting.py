"""Write an order of the usual kind in one statement, its own transaction: all that `creation.write` does, or nothing.

The rooms' own queries are put together here, so that each remains the one place where its rows are written. Their order
follows from who reads whom: the generation first, then the hold, then the account's row and the last word.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import generations, ledger, outbox
from reelwright.admission import Periods
from reelwright.generations import Draft, NewGeneration, Unit
from reelwright.ground.postgres import Statement, rows
from reelwright.journeys.lastword import Moment


def _whole(accepted: str) -> Statement:
    return Statement(
        f"""
        WITH {accepted}, {generations.FIRST_RUNS}, {outbox.promising("made")}
        SELECT order_stands(account_id, :fence, {ledger.holding("account_id")}, :month_start, :month_end, :hour_start,
                            :hour_end, :most_month, :most_hour, :most_live), {outbox.NOTIFIED}
          FROM made
        """  # noqa: S608 - put together from constants
    )


_WHOLE, _WHOLE_WITH_DRAFT = _whole(generations.ACCEPTED), _whole(generations.ACCEPTED_WITH_DRAFT)


async def at_once(
    tx: AsyncConnection,
    new: NewGeneration,
    draft: Draft | None,
    told: Mapping[str, object],
    first: Sequence[tuple[Unit, outbox.Message]],
    *,
    fence: int,
    moment: Moment,
    most_attempts: int,
) -> None:
    """Accept a generation, queue its first runs, hold its price and count its account's use again.

    One that was accepted before is left alone. Raises Undone where it doesn't stand: its credits weren't there at once,
    or the rows say that a limit binds, or the account's `fence` is no longer this. Who then writes it step by step, in
    another transaction, learns why.
    """
    periods, limits = Periods.at(moment.at), moment.limits
    values = generations.accepted(new, draft, told)
    values |= generations.first_runs(new.id, [unit for unit, _ in first], max_attempts=most_attempts)
    values |= ledger.held(account=new.account_id, generation=new.id, micro=new.hold_micro)
    values |= {
        "fence": fence,
        "month_start": periods.month_start,
        "month_end": periods.month_end,
        "hour_start": periods.hour_start,
        "hour_end": periods.hour_end,
        "most_month": limits.generations_month,
        "most_hour": limits.generations_hour,
        "most_live": limits.concurrent,
    }
    values |= outbox.promised(tx, *(message for _, message in first))
    await rows(tx, _WHOLE if draft is None else _WHOLE_WITH_DRAFT, values)
