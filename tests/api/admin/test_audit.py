"""/v1/admin/actions: every change by an administrator is there, with the request that asked for it, and stays."""

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reelwright.ground.postgres import Database
from tests.api.conftest import Person


async def test_s56_what_an_administrator_changes_is_noted_and_stays(
    office: httpx.AsyncClient, admin: Person, user: Person, db: Database
) -> None:
    base = f"/v1/admin/users/{user.account_id}"
    answer = await office.put(f"{base}/plan", json={"plan": "pro"})
    assert answer.status_code == 200
    await office.put(f"{base}/demo", json={"demo": True})
    first = (await office.get("/v1/admin/actions?limit=1")).json()
    second = (await office.get(f"/v1/admin/actions?limit=1&cursor={first['next_cursor']}")).json()
    (demo,), (plan,) = first["actions"], second["actions"]
    assert (demo["action"], demo["facts"], second["next_cursor"]) == ("demo.set", {"demo": True}, None)
    assert (plan["action"], plan["target"], plan["actor_id"]) == ("plan.set", user.account_id, admin.account_id)
    assert plan["facts"] == {"plan": "pro", "before": "standard"}
    assert plan["request_id"] == answer.headers["X-Request-Id"]
    for statement in ("DELETE FROM admin_actions", "UPDATE admin_actions SET action = 'nothing'"):
        with pytest.raises(DBAPIError, match="never changed"):
            async with db.begin() as tx:
                await tx.execute(text(statement))


async def test_what_is_refused_is_not_noted_and_nobody_else_reads_it(
    office: httpx.AsyncClient, api: httpx.AsyncClient, user: Person
) -> None:
    await office.put("/v1/admin/users/01890000-0000-7000-8000-000000000000/plan", json={"plan": "pro"})
    assert (await office.get("/v1/admin/actions")).json()["actions"] == []
    assert (await api.get("/v1/admin/actions", headers=user.headers)).status_code == 403
