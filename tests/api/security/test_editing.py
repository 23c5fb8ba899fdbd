"""Every PUT and PATCH says which version it made, and changes none but the one that was read, where one was named."""

import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from litestar import Litestar

from reelwright.api.contract_text import EXAMPLES
from reelwright.api.operations import Operation, operations
from reelwright.ground.postgres import Database
from tests.api.callers import PASSWORD, Callers, everybody
from tests.api.security.objects import objects

WHOLE: dict[str, Any] = {
    "change_asset": {"title": "Other"},
    "change_me": {"current_password": PASSWORD, "password": "nine quiet cats purr at noon"},
    "change_scene": {"narration": "Other words."},
    "change_variant": {"title": "Other"},
    "change_voice": {"name": "Other"},
    "set_default_voice": {},
}
"""Bodies of those that have no example."""


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as made:
        yield made


def edits(app: Litestar) -> list[Operation]:
    return [one for one in operations(app) if one.method in {"PUT", "PATCH"}]


async def test_every_edit_takes_an_if_match_and_tells_an_etag(
    app: Litestar, client: httpx.AsyncClient, callers: Callers, db: Database
) -> None:
    """Read by its answer: the version that it names is the one that the next edit may be meant for, and no other."""
    ids, wrong = await objects(client, callers, db), list[str]()
    assert len(edits(app)) >= 15
    stop = f"/v1/generations/{ids['generation_id']}/cancel"  # a draft that is being made can't be changed
    assert (await client.post(stop, headers=callers.user)).status_code == 202
    for one in edits(app):
        name, who = one.name, dict(callers.admin if "/admin/" in one.path else callers.user_session)
        path = re.sub(r":\w+}", "}", one.path).format(**ids)
        body = WHOLE[name] if name in WHOLE else next(iter(EXAMPLES[name].values()))

        async def ask(
            method: str = one.method, path: str = path, who: Any = who, body: Any = body, **sent: str
        ) -> httpx.Response:
            named = {header.replace("_", "-"): value for header, value in sent.items()}
            return await client.request(method, path, json=body, headers={**who, **named})

        stale, malformed = await ask(If_Match='"777777"'), await ask(If_Match='"1')
        if (stale.status_code, malformed.status_code, malformed.json().get("field")) != (412, 400, "If-Match"):
            wrong.append(f"{name}: {stale.status_code} {malformed.status_code} {stale.text[:120]}")
            continue
        if name == "change_me":  # its sessions are over then
            continue
        first = await ask(If_Match="*")
        tag = first.headers.get("ETag", "none")
        weak, again = await ask(If_Match=f"W/{tag}"), await ask(If_Match=f'"777777", {tag}')
        answers = (first, weak, again)
        if ([one.status_code for one in answers], "ETag" in again.headers) != ([200, 412, 200], True):
            wrong.append(f"{name}: {[f'{one.status_code} {one.text[:120]}' for one in answers]}")
    assert wrong == []
    assert [one.name for one in edits(app) if "If-Match" not in one.headers] == []


async def test_two_administrators_who_read_the_same_dont_overwrite_each_other(
    client: httpx.AsyncClient, callers: Callers
) -> None:
    """The flag, the plan and a boost are one account: a change of any is a new version of it."""
    place = f"/v1/admin/users/{callers.user_account.id}"
    read = (await client.get(place, headers=callers.admin)).headers["ETag"]
    demo = await client.put(f"{place}/demo", json={"demo": True}, headers={**callers.admin, "If-Match": read})
    assert demo.status_code == 200, demo.text
    late = await client.put(f"{place}/plan", json={"plan": "pro"}, headers={**callers.admin, "If-Match": read})
    assert (late.status_code, late.json()["code"]) == (412, "accounts.changed")
    now = (await client.get(place, headers=callers.admin)).headers["ETag"]
    assert now == demo.headers["ETag"]
    done = await client.put(f"{place}/plan", json={"plan": "pro"}, headers={**callers.admin, "If-Match": now})
    assert (done.status_code, done.json()["plan"]) == (200, "pro")


async def test_who_switches_a_provider_off_that_is_off_already_learns_it(
    client: httpx.AsyncClient, callers: Callers
) -> None:
    for place in ("/v1/admin/providers/openai/models/gpt-4.1", "/v1/admin/providers/openai"):
        sent = {**callers.admin, "If-Match": '"1"'}
        off = await client.patch(place, json={"enabled": False}, headers=sent)
        assert (off.status_code, off.headers["ETag"]) == (200, '"0"'), off.text
        late = await client.patch(place, json={"enabled": False}, headers=sent)
        assert (late.status_code, late.json()["code"]) == (412, "provider.changed")
        on = await client.patch(place, json={"enabled": True}, headers={**callers.admin, "If-Match": '"0"'})
        assert (on.status_code, on.headers["ETag"]) == (200, '"1"')
