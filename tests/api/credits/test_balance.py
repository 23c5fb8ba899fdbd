"""GET /v1/credits/balance: what there is, what is reserved, what is owed, and what will be lost."""

from datetime import timedelta
from uuid import UUID

import httpx

from reelwright import ledger
from reelwright.billing import MICRO, PLANS, Plan, calendar_period
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person

ALLOWANCE = PLANS[Plan.STANDARD].credits_month_micro // MICRO


async def test_it_says_what_there_is_and_when_more_comes(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/credits/balance")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "balance": ALLOWANCE, "held": 0, "debt": 0, "tier": "standard", "monthly_allowance": ALLOWANCE,
        "next_reset": calendar_period(clock.now()).end.isoformat().replace("+00:00", "Z"), "lapsing_soon": [],
    }  # fmt: skip


async def test_an_order_moves_its_price_from_balance_to_held(api: httpx.AsyncClient) -> None:
    made = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "a"})
    told = (await api.get("/v1/credits/balance")).json()
    assert (told["balance"], told["held"]) == (ALLOWANCE - made.json()["price"], made.json()["price"])


async def test_what_lapses_soon_is_named_and_what_has_lapsed_is_gone(
    api: httpx.AsyncClient, user: Person, db: Database
) -> None:
    owner, now = AccountId(UUID(user.account_id)), clock.now()
    async with db.begin() as tx:
        for days, micro in ((-1, 1), (3, 2_500_000), (8, 4)):
            await ledger.grant(
                tx, account=owner, micro=micro, source=f"d{days}", effective_at=now - timedelta(days=2),
                expires_at=now + timedelta(days=days),
            )  # fmt: skip
    told = (await api.get("/v1/credits/balance")).json()
    assert told["balance"] == ALLOWANCE + 2.500004
    assert [lot["credits"] for lot in told["lapsing_soon"]] == [2.5]


async def test_a_debt_is_shown_and_blocks_orders(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    owner = AccountId(UUID(user.account_id))
    async with db.begin() as tx:
        await ledger.clawback(tx, account=owner, micro=(ALLOWANCE + 3) * MICRO, reference="dispute", reason="test")
    told = (await api.get("/v1/credits/balance")).json()
    assert (told["balance"], told["debt"]) == (0, 3)
    answer = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.json()["code"]) == (402, "credits.debt")
