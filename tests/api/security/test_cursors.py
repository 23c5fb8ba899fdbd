"""S07: a cursor serves the account, the list and the filter that it was told for, and none can be made up."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator
from hashlib import sha256
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from reelwright.api.operations import operations
from reelwright.ground.ids import derived
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.settings import Settings
from tests.api.callers import Callers, everybody
from tests.api.security.objects import objects

LISTS = 22
"""Fewer would mean that a list has lost its cursor, or that this looks in the wrong place."""


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as made:
        yield made


@pytest.fixture
async def lists(app: Litestar, client: httpx.AsyncClient, callers: Callers, db: Database) -> list[str]:
    """Every path that gives pages, each about what the first user owns."""
    ids = await objects(client, callers, db)
    asked = {"/v1/stage-runs": f"?generation_id={ids['generation_id']}"}
    paged = [one for one in operations(app) if "cursor" in one.parameters]
    return [one.path.replace(":uuid", "").format(**ids) + asked.get(one.path, "") for one in paged]


@pytest.fixture
async def cursor(client: httpx.AsyncClient, callers: Callers, lists: list[str]) -> str:
    """One of the list of all of the first user's generations."""
    headers = {"Idempotency-Key": "another", **callers.user}
    await client.post("/v1/create", json={"topic": "Why do dogs bark?"}, headers=headers)
    page = await client.get("/v1/generations", params={"limit": 1}, headers=callers.user)
    return page.json()["next_cursor"]


async def refused(client: httpx.AsyncClient, path: str, cursor: str, who: dict[str, str]) -> bool:
    answer = await client.get(path, params=httpx.URL(path).params.merge({"cursor": cursor}), headers=who)
    told = answer.json()
    return (answer.status_code, told.get("field")) == (400, "cursor") and told["code"] in {
        "request.invalid",
        "dead_letter.cursor_unknown",
    }


def who_may(path: str, callers: Callers) -> dict[str, str]:
    return dict(callers.admin if "/admin/" in path else callers.user)


async def test_s07_no_list_takes_the_cursor_of_another(
    client: httpx.AsyncClient, callers: Callers, lists: list[str], cursor: str
) -> None:
    """Nor of the same list under another filter, or of the same person's other account."""
    assert len(lists) >= LISTS, lists
    own = await client.get("/v1/generations", params={"limit": 50, "cursor": cursor}, headers=callers.user)
    assert (own.status_code, len(own.json()["generations"])) == (200, 2), "the limit is no filter"
    others = [path for path in lists if path != "/v1/generations"] + ["/v1/generations?status=queued"]
    assert [path for path in others if not await refused(client, path, cursor, who_may(path, callers))] == []
    assert await refused(client, "/v1/generations", cursor, dict(callers.other))


async def test_s07_no_list_takes_a_cursor_that_was_made_up(
    settings: Settings, client: httpx.AsyncClient, callers: Callers, lists: list[str], cursor: str
) -> None:
    """Who knows how a place is written, and his own account's id, still lacks the server's key."""
    account = UUID(callers.user_account.id.hex)
    raw = urlsafe_b64decode(cursor + "==")
    place = raw[:24]
    marks = {
        "none": b"",
        "zeros": bytes(16),
        "a hash": sha256(account.bytes + place).digest()[:16],
        "as it was": derived("cursor", account, place.hex()).bytes[:8],
        "half": raw[24:32],
        "flipped": raw[24:-1] + bytes([raw[-1] ^ 1]),
    }
    forged = {name: urlsafe_b64encode(place + mark).decode().rstrip("=") for name, mark in marks.items()}
    forged["another key's"] = Seal("another secret of thirty-two letters").marked(
        "cursor", place, about=account.bytes + b"/v1/generations\n\n"
    )
    taken = [
        (path, name)
        for path in lists
        for name, one in forged.items()
        if not await refused(client, path, one, who_may(path, callers))
    ]
    assert taken == []
    true = Seal(settings.secret_key).marked("cursor", place, about=account.bytes + b"/v1/generations\n\n")
    assert true == cursor, "the control: it is the key alone that is missing"
