"""GET /v1/credits/transactions: every movement, newest first, each followed to the calls behind it."""

from uuid import UUID, uuid4

import httpx

from reelwright import ledger
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from tests.api.conftest import Person


async def worked(api: httpx.AsyncClient, user: Person, db: Database) -> str:
    """Order a script, meter two variants and a failed try, and capture them; return the generation."""
    order = {"topic": "Cats", "kind": "script", "variants": 2}
    made = await api.post("/v1/create", json=order, headers={"Idempotency-Key": uuid4().hex})
    work = GenerationId(UUID(made.json()["generation_id"]))
    rows = [
        ledger.Metered(
            account_id=AccountId(UUID(user.account_id)), generation_id=work, run_id=StageRunId(uuid4()), fence=1,
            call_no=0, stage="STORY_WRITING", scene=None, plan="standard", price_version=1,
            use=Use(action=Action.STORY, provider="openai", model="m", quantity=2),
            credits_micro=micro, succeeded=bool(micro),
        )
        for micro in (0, 5_000_000)
    ]  # fmt: skip
    async with db.begin() as tx:
        await ledger.track_ai_usage(tx, rows)
        await ledger.capture(tx, generation=work, micro=await ledger.metered(tx, generation=work))
    return str(work)


async def test_why_was_i_charged(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    """From the balance's movement to the generation, its stage, and the call with quantity and price."""
    work = await worked(api, user, db)
    page = (await api.get("/v1/credits/transactions")).json()
    assert [line["kind"] for line in page["transactions"]] == ["void", "capture", "hold", "grant"]
    assert page["next_cursor"] is None
    taken = page["transactions"][1]
    assert (taken["id"], taken["credits"], taken["from"], taken["to"]) == (3, 5, "held", "spent")
    assert (taken["balance_after"], taken["held_after"], taken["generation_id"]) == (7494.5, 0.5, work)

    answer = await api.get(taken["details"])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["transaction"] == taken
    assert (told["generation"]["id"], told["generation"]["charged"], told["generation"]["price_version"]) == (
        work,
        5,
        1,
    )
    (stage,) = told["stages"]
    assert (stage["stage"], stage["credits"]) == ("STORY_WRITING", 5)
    assert [(c["outcome"], c["quantity"], c["unit_price"], c["credits"]) for c in stage["calls"]] == [
        ("failed", 2, 2.5, 0),
        ("succeeded", 2, 2.5, 5),
    ]


async def test_a_movement_without_a_generation_has_no_stages(api: httpx.AsyncClient) -> None:
    told = (await api.get("/v1/credits/transactions/1")).json()
    assert (told["transaction"]["kind"], told["generation"], told["stages"]) == ("grant", None, [])


async def test_pages_are_stable_while_more_happens(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    owner, seen, cursor = AccountId(UUID(user.account_id)), [], ""
    for at in range(6):
        async with db.begin() as tx:
            await ledger.grant(tx, account=owner, micro=at + 1, source=f"s{at}")
    while cursor is not None:
        page = (
            await api.get("/v1/credits/transactions", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [line["id"] for line in page["transactions"]]
        cursor = page["next_cursor"]
        async with db.begin() as tx:
            await ledger.grant(tx, account=owner, micro=1, source=f"meanwhile{len(seen)}")
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_another_accounts_cursor_and_movements_are_not_yours(
    api: httpx.AsyncClient, user: Person, stranger: Person, db: Database
) -> None:
    for owner in (user, stranger):
        for at in range(3):
            async with db.begin() as tx:
                account = AccountId(UUID(owner.account_id))
                await ledger.grant(tx, account=account, micro=1, source=f"{owner.account_id}:{at}")
    mine = (await api.get("/v1/credits/transactions", params={"limit": 2})).json()
    theirs = await api.get("/v1/credits/transactions", params={"cursor": mine["next_cursor"]}, headers=stranger.headers)
    assert (theirs.status_code, theirs.json()["field"]) == (400, "cursor")
    work = await worked(api, user, db)
    lines = (await api.get("/v1/credits/transactions", headers=stranger.headers)).json()["transactions"]
    assert work not in {line["generation_id"] for line in lines}
    assert (await api.get("/v1/credits/transactions/7", headers=stranger.headers)).status_code == 404


async def test_cursors_that_nobody_gave_are_400_and_movements_that_do_not_exist_404(api: httpx.AsyncClient) -> None:
    for cursor in ("x", "", "AAAA", "é", "A" * 64):
        answer = await api.get("/v1/credits/transactions", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["field"]) == (400, "cursor"), cursor
    for number in ("0", "99", "-1", str(2**70)):
        assert (await api.get(f"/v1/credits/transactions/{number}")).status_code == 404, number
