"""`reelwright admin plan` and `boosts` as operators run them, on the real database and the real Redis."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import cli
from reelwright.accounts import Account, Accounts, Boosts, Subscriptions
from reelwright.admission import Gate
from reelwright.billing import Plan
from reelwright.ground import clock, log
from reelwright.ground.postgres import Database
from tests.builders import a_gate, an_account, subscription_told

NO_ID = "0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
_ACTIONS = text("SELECT action, actor, target, facts, request_id FROM admin_actions ORDER BY at")
_GIVEN = text("SELECT amount_micro / 1000000 FROM credit_lots WHERE account_id = :id ORDER BY created_at")


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(
    database_url: str, valkey_url: str, redis: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("COLUMNS", "160")

    def called(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["reelwright", "admin", *words])
        try:
            cli.main()
        except SystemExit as left:
            return int(left.code or 0)
        raise AssertionError("main always exits")

    async def ran(*words: str) -> Ran:
        code = await asyncio.to_thread(called, *words)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    yield ran
    log.configure(as_json=True)


@pytest.fixture
async def gate(db: Database, redis: Any) -> AsyncGenerator[Gate]:
    made = a_gate(db, redis)
    yield made
    await made.close()


@pytest.fixture
async def ada(db: Database) -> Account:
    return await an_account(db, Plan.BASIC)


@pytest.fixture
async def admin(db: Database) -> Account:
    async with db.begin() as tx:
        return await Accounts(session=tx).create(email="op@example.com", role="admin")


async def actions(db: Database) -> list[Any]:
    async with db.begin() as tx:
        return list(await tx.execute(_ACTIONS))


async def test_a_plan_is_set_at_once_with_its_credits_an_audit_row_and_redis_told(
    run: Run, db: Database, gate: Gate, ada: Account, admin: Account
) -> None:
    """What REST does: the next order is decided by the new plan, though the old one was cached."""
    assert (await gate.entitled(ada.id)).limits.generations_month == 60
    ran = await run("plan", "set", ada.email, "standard")
    assert (ran.code, ran.out) == (0, f"{ada.email}: basic → standard, 6,000 credits given; has 7,500 credits.\n")
    assert (await gate.entitled(ada.id)).limits.generations_month == 300
    [row] = await actions(db)
    assert (row.action, row.actor, row.target) == ("plan.set", admin.id, str(ada.id))
    assert row.facts == {"plan": "standard", "before": "basic"}
    assert row.request_id.startswith("cli:")


async def test_the_same_plan_again_changes_nothing(run: Run, db: Database, ada: Account, admin: Account) -> None:
    first = await run("plan", "set", ada.email, "pro", "--json")
    again = await run("plan", "set", str(ada.id), "pro", "--json")
    assert (first.code, again.code) == (0, 0)
    assert first.json == again.json == {
        "user_id": str(ada.id),
        "plan": "pro",
        "effective_plan": "pro",
        "boost_until": None,
    }  # fmt: skip
    assert len(await actions(db)) == 1
    async with db.begin() as tx:
        present = await Accounts(session=tx).get(ada.id)
        given = list(await tx.scalars(_GIVEN, {"id": ada.id}))
    assert present is not None
    assert (present.plan_version, given) == (ada.plan_version + 1, [1_500, 23_500])
    said = await run("plan", "set", ada.email, "pro")
    assert said.out == f"{ada.email}: is on pro already; has 25,000 credits.\n"


async def test_a_plan_that_is_paid_for_is_refused_with_what_to_do(
    run: Run, db: Database, ada: Account, admin: Account
) -> None:
    now = clock.now()
    told = subscription_told(now - timedelta(days=1), now + timedelta(days=29))
    async with db.begin() as tx:
        subscriptions = Subscriptions(session=tx)
        assert await subscriptions.told(ada.id, told, asked_at=await subscriptions.instant())
    ran = await run("plan", "set", ada.email, "pro")
    assert ran.code == 2
    assert "change its subscription, or boost it" in ran.err
    shown = await run("plan", "show", ada.email)
    assert "sub_1, standard, paid until" in shown.out
    assert (await run("plan", "show", ada.email, "--json")).json["subscriptions"][0]["live"]


async def test_a_boost_is_granted_once_a_key_listed_and_taken_back(
    run: Run, db: Database, gate: Gate, ada: Account, admin: Account
) -> None:
    assert "has had no boost" in (await run("boosts", "list", ada.email)).out
    first = await run("boosts", "grant", ada.email, "--days", "7", "--key", "sorry")
    again = await run("boosts", "grant", ada.email, "--days", "7", "--key", "sorry")
    assert (first.code, again.code) == (0, 0)
    assert "boosted for 7 days; served as pro until" in first.out
    assert "this key had granted it before, nothing is changed" in again.out
    assert (await gate.entitled(ada.id)).limits.generations_month == 900
    [boost] = (await run("boosts", "list", ada.email, "--json")).json["boosts"]
    assert boost["source"] == "admin:sorry"
    listed = await run("boosts", "list", ada.email)
    assert boost["id"] in listed.out
    assert "active" in listed.out

    taken = await run("boosts", "revoke", ada.email, boost["id"])
    assert taken.out == f"{ada.email}: the rest of this boost is taken back; served as basic.\n"
    assert (await gate.entitled(ada.id)).limits.generations_month == 60
    repeated = await run("boosts", "revoke", ada.email, boost["id"], "--json")
    assert (repeated.code, repeated.json["boost_until"]) == (0, None)
    assert "nothing was left" in (await run("boosts", "revoke", ada.email, boost["id"])).out
    assert [row.action for row in await actions(db)] == ["boost.granted", "boost.revoked"]
    assert "revoked" in (await run("boosts", "list", ada.email)).out


async def test_without_a_key_each_call_boosts_once_more(run: Run, db: Database, ada: Account, admin: Account) -> None:
    for _ in range(2):
        assert (await run("boosts", "grant", ada.email)).code == 0
    async with db.begin() as tx:
        [first, second] = await Boosts(session=tx).of(ada.id)
    assert second.starts_at == first.ends_at
    assert second.ends_at - first.starts_at == timedelta(days=60)


async def test_a_key_of_another_boost_and_a_boost_on_pro_are_refused(
    run: Run, db: Database, ada: Account, admin: Account
) -> None:
    assert (await run("boosts", "grant", ada.email, "--key", "k")).code == 0
    other = await run("boosts", "grant", ada.email, "--key", "k", "--days", "3")
    assert (other.code, "send a new key" in other.err) == (2, True)
    pro = await an_account(db, Plan.PRO)
    refused = await run("boosts", "grant", pro.email)
    assert (refused.code, "on Pro already" in refused.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "show", "nobody@example.com"),
        ("plan", "set", "nobody@example.com", "pro"),
        ("boosts", "list", NO_ID),
        ("boosts", "grant", "nobody@example.com"),
        ("boosts", "revoke", "nobody@example.com", NO_ID),
    ],
)
async def test_an_unknown_user_is_named_with_the_next_step(run: Run, admin: Account, words: tuple[str, ...]) -> None:
    ran = await run(*words)
    assert ran.code == 2
    assert f"No account has the address or id {words[2]}: make one with `reelwright admin create-user`" in ran.err


async def test_no_such_boost_says_where_the_ids_stand(run: Run, ada: Account, admin: Account) -> None:
    ran = await run("boosts", "revoke", ada.email, str(uuid4()))
    assert ran.code == 2
    assert f"`reelwright admin boosts list {ada.email}` shows the ids" in ran.err


async def test_who_does_it_must_be_clear(run: Run, db: Database, ada: Account) -> None:
    none = await run("plan", "set", ada.email, "pro")
    assert (none.code, "create-user EMAIL --admin" in none.err) == (2, True)
    async with db.begin() as tx:
        for email in ("one@example.com", "two@example.com"):
            await Accounts(session=tx).create(email=email, role="admin")
    several = await run("plan", "set", ada.email, "pro")
    assert (several.code, "say with --as EMAIL" in several.err) == (2, True)
    wrong = await run("boosts", "grant", ada.email, "--as", ada.email)
    assert (wrong.code, "is no administrator's address" in wrong.err) == (2, True)
    assert await actions(db) == []
    assert (await run("plan", "set", ada.email, "pro", "--as", "two@example.com")).code == 0
    async with db.begin() as tx:
        two = await Accounts(session=tx).by_email("two@example.com")
    assert two is not None
    assert [row.actor for row in await actions(db)] == [two.id]


async def test_a_database_without_its_redis_is_refused(
    run: Run, db: Database, ada: Account, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API would serve by the old plan for up to ten minutes."""
    monkeypatch.delenv("REDIS_URL")
    ran = await run("plan", "set", ada.email, "pro")
    assert (ran.code, "REDIS_URL is not set" in ran.err) == (2, True)
    assert await actions(db) == []


async def test_a_redis_that_is_away_delays_nothing_but_its_own_hearing(
    run: Run, ada: Account, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    ran = await run("plan", "set", ada.email, "pro", "--json")
    assert (ran.code, ran.json["plan"]) == (0, "pro")
    assert "plans.not_remembered" in ran.err


async def test_without_any_address_the_folders_own_servers_are_started(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("REDIS_URL")
    own = ("--data", str(folder))
    assert (await run("create-user", "op@example.com", "--admin", *own)).code == 0
    ran = await run("plan", "set", "op@example.com", "standard", "--json", *own)
    assert (ran.code, ran.json["plan"]) == (0, "standard")
    assert "plans.not_remembered" not in ran.err
