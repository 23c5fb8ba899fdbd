"""A slice of the month in the default suite: seven people, 36 days over two months' ends, in coarse steps.

One test, so that one process lives the month once.
"""

import logging
from pathlib import Path

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.ground import clock as python_clock
from tests.conftest import new_database
from tests.month import promises
from tests.month.month import DAYS, Month, first_day
from tests.month.running import a_month

LIVED = (0, 3, 6, 9, 12, 16, 18, 30, 34, 35)
PEOPLE = 7
STEPS = len(LIVED) / DAYS
WARNED = ("allowance_90", "allowance_80", "approaching_limit")
BOUGHT = ("plan_standard", "plan_pro", "upgrade", "downgrade", "boost_30d", "pack_creator", "refund", "decline")
_AGAIN = "INSERT INTO notices (id, account_id, kind, key, mail_state, told_at, facts) SELECT gen_random_uuid(), "
SPOILT = {
    "told a threshold twice": f"{_AGAIN} account_id, kind, 'again', 'none', told_at, facts FROM notices"
    " WHERE kind = 'approaching_limit' LIMIT 1",
    "warned of less than before": "UPDATE notices SET mail_state = 'sent', mail_attempts = 1"
    " WHERE kind = 'allowance_80'",
    "use that there was": "UPDATE notices SET facts = facts || '{\"used\": 47}' WHERE kind = 'approaching_limit'",
    "limit that there was": 'UPDATE notices SET facts = facts || \'{"limit": 300, "plan": "standard"}\''
    " WHERE kind = 'approaching_limit'",
    "month that is over": "UPDATE notices SET told_at = told_at + interval '31 days' WHERE kind = 'allowance_90'",
    "few credits again": f"{_AGAIN} account_id, 'low_balance', at, 'none', told_at + CAST(at AS interval), '{{}}'"
    " FROM notices, (VALUES ('1 second'), ('2 seconds')) AS times(at) WHERE kind = 'allowance_90'",
    "change of plan is told once": f"{_AGAIN} account_id, kind, 'again', 'none', told_at + interval '1 second', facts"
    " FROM notices WHERE kind = 'plan_changed' LIMIT 1",
    "twice of a boost": f"{_AGAIN} account_id, kind, 'again', 'none', told_at, facts FROM notices"
    " WHERE kind = 'boost_started' LIMIT 1",
    "letter is sent twice": "UPDATE notices SET mail_attempts = 2 WHERE kind = 'allowance_90'",
    "threshold of generations was told": "DELETE FROM notices WHERE kind = 'approaching_limit'",
    "threshold of credits was told": "DELETE FROM notices WHERE kind LIKE 'allowance%'",
    "U12": "DELETE FROM usage_ledger WHERE id = (SELECT id FROM usage_ledger ORDER BY cost_nano_usd DESC LIMIT 1)",
    "told twice how": "UPDATE notices SET kind = 'quota_reset', facts = '{\"period\": 1}' WHERE kind ~ 'generation'",
    "I2": "UPDATE credit_balances SET available_micro = available_micro + 1",
    "served more in an hour": "UPDATE generations SET generation_units = 1000",
    "schedule": "DELETE FROM schedule_runs WHERE due_at = (SELECT min(due_at) FROM schedule_runs)",
}


async def test_a_month_keeps_every_promise_and_one_that_is_broken_is_seen(
    postgres_url: str, valkey_url: str, worker_number: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # thousands of lines otherwise
    url = await new_database(postgres_url, f"month_{worker_number}")
    opened = a_month(database_url=url, redis_url=valkey_url, folder=tmp_path, people=PEOPLE, seed=1, steps=STEPS)
    async with opened as month:
        for day in LIVED:
            await month.day(day, hours=(12,))
        await month.end()

        assert await promises.broken(month, at_the_end=True) == []
        assert [wish for wish in BOUGHT if not month.done[wish]] == []
        assert [kind for kind in WARNED if kind not in await _told(month)] == []
        assert month.stages.bill.failed > 0
        await _the_clocks_agree(month)
        found = await _found_after_a_second_grant(month)
        assert [one for one in found if one.startswith("invoice")]
        for promise, spoil in SPOILT.items():
            assert not [one for one in found if promise in one]
            await _behind_the_triggers(month, spoil)
            found = await promises.broken(month)
            assert [one for one in found if promise in one], promise


async def _told(month: Month) -> set[str]:
    async with month.db.begin() as tx:
        return set(await tx.scalars(text("SELECT kind FROM notices")))


async def _the_clocks_agree(month: Month) -> None:
    async with month.db.begin() as tx:
        told = (await tx.execute(text("SELECT now(), clock_timestamp(), statement_timestamp()"))).one()
    here = python_clock.now()
    assert here > first_day()
    assert max(abs((one - here).total_seconds()) for one in told) < 5
    assert abs(month.stripe.book.now() - here.timestamp()) < 5
    assert abs(int(month.gate.now_text()) / 1000 - here.timestamp()) < 5


async def _found_after_a_second_grant(month: Month) -> list[str]:
    paid = "SELECT account_id, external_ref, amount_micro FROM credit_lots WHERE external_ref LIKE 'grant:invoice:%'"
    async with month.db.begin() as tx:
        lot = (await tx.execute(text(f"{paid} LIMIT 1"))).one()
        source = f"{lot.external_ref.removeprefix('grant:')}:again"
        assert await ledger.grant(
            tx, account=lot.account_id, micro=lot.amount_micro, source=source, origin=ledger.Origin.MONTHLY
        )
    return await promises.broken(month, at_the_end=True)


async def _behind_the_triggers(month: Month, statement: str) -> None:
    async with month.db.begin() as tx:
        await tx.execute(text("ALTER TABLE usage_ledger DISABLE TRIGGER USER"))
        await tx.execute(text(statement))
        await tx.execute(text("ALTER TABLE usage_ledger ENABLE TRIGGER USER"))
