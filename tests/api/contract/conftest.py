"""People of every role, and a thing of each kind that paths name."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person, person
from tests.api.fuzzing import Fuzz
from tests.api.snapshot import present

DAILY = {
    "name": "Daily",
    "cron": "0 9 * * *",
    "source": {"kind": "template", "template": "Fact of {date}"},
}


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return present()


@pytest.fixture
async def admin(db: Database) -> Person:
    found = await person(db, "admin@example.com")
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET role = 'admin' WHERE id = :id"), {"id": found.account_id})
    return found


async def things(api: httpx.AsyncClient, user: Person) -> dict[str, str]:
    """Make what can be made by one request, and return the ids by the names that paths have for them."""
    asked = {
        "/v1/create": {"topic": "Why do cats purr?", "kind": "script"},
        "/v1/drafts": {"topic": "Why do dogs bark?"},
        "/v1/brand-kits": {"name": "House style"},
        "/v1/schedules": DAILY,
        "/v1/webhooks": {"url": "https://example.com/reels"},
    }
    made: dict[str, Any] = {}
    for path, body in asked.items():
        answer = await api.post(path, json=body, headers={"Idempotency-Key": path})
        assert answer.status_code in {201, 202}, answer.text
        made |= answer.json() if "generation_id" in answer.json() else {path: answer.json()}
    return {
        "user_id": user.account_id,
        "generation_id": made["generation_id"],
        "draft_id": made["/v1/drafts"]["id"],
        "brand_kit_id": made["/v1/brand-kits"]["id"],
        "schedule_id": made["/v1/schedules"]["id"],
        "webhook_id": made["/v1/webhooks"]["endpoint"]["id"],
        "code": "request.invalid",
    }


@pytest.fixture
async def fuzz(
    api: httpx.AsyncClient, app: Litestar, user: Person, admin: Person, document: dict[str, Any]
) -> AsyncGenerator[Fuzz]:
    roles = {"user": user.headers, "admin": admin.headers, "nobody": {}}
    made = Fuzz(app, document, roles, await things(api, user))
    yield made
    await made.client.aclose()


@pytest.fixture
def nobody(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """Send requests without a key."""
    del api.headers["Authorization"]
    return api
