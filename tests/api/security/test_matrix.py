"""S01 to S05, S09 and S12: every route, called by everybody; only who may gets in, and who may not changes nothing."""

from collections.abc import AsyncGenerator, Mapping
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Scope
from reelwright.ground.postgres import Database
from tests.api.callers import Callers, a_key, a_leaver, everybody
from tests.api.security.objects import objects
from tests.security.matrix import ADMIN, LEAVING, PERSONAL, PUBLIC, Route, routes

Headers = Mapping[str, str]
ENDLESS = "/events"
NOTED = ("api_keys", "sessions", "requests_daily")
"""Tables that change by being asked: when a key was last used, how many requests there were."""
TRIED = "SELECT 'outbox', md5(coalesce(string_agg(id::text, '|' ORDER BY id), '')) FROM outbox"
"""The relay notes its tries in them: which messages there are is what counts."""


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as made:
        yield made


@pytest.fixture
async def ids(client: httpx.AsyncClient, callers: Callers, db: Database) -> dict[str, str]:
    """One of everything that the first user owns."""
    return await objects(client, callers, db)


def unknown(ids: dict[str, str]) -> dict[str, str]:
    """Ids of the same kinds that nobody has."""
    return {name: str(uuid4()) if len(value) == 36 else value for name, value in ids.items()} | {"transaction": "99999"}


async def ask(client: httpx.AsyncClient, route: Route, ids: dict[str, str], who: Headers) -> httpx.Response:
    headers = {"Idempotency-Key": uuid4().hex, **who}
    if str(route) == "POST /v1/media":
        headers |= {"Content-Type": "image/png"}
        return await client.post(route.path(ids), content=b"no picture", headers=headers)
    return await client.request(route.method, route.path(ids), json=route.body, headers=headers)


async def digest(db: Database) -> dict[str, str]:
    """All rows, table by table."""
    async with db.begin() as tx:
        named = text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        tables = [name for name in await tx.scalars(named) if name not in {*NOTED, "outbox"}]
        one = "SELECT '{0}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {0} t"
        rows = await tx.execute(text(" UNION ALL ".join([TRIED, *(one.format(name) for name in tables)])))
        return {row[0]: row[1] for row in rows}


def test_s12_every_route_stands_in_the_table_once(app: Litestar) -> None:
    built = {
        str(Route(method, route.path))
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods - {"OPTIONS"}
    }
    listed = [str(route) for table in (PUBLIC, PERSONAL, ADMIN) for route in routes(table)]
    assert sorted(built - set(listed)) == [], "enter these in tests/security/matrix.py"
    assert sorted(set(listed) - built) == [], "these are no longer there"
    assert len(listed) == len(set(listed))


async def test_s12_who_may_not_gets_nowhere_and_changes_nothing(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str], db: Database
) -> None:
    """Nobody, dead keys and sessions: 401. A key without the scope: 403. Anybody else's object: 404."""
    before, wrong, narrow = await digest(db), list[str](), dict[str, Headers]()
    dead = {"none": {}, "revoked": callers.revoked, "expired": callers.expired_key, "over": callers.expired_session}
    for route in [*routes(PERSONAL), *routes(ADMIN)]:
        admins = "/v1/admin/" in route.template
        if route.scope not in narrow:
            narrow[route.scope] = await callers.wrong_scope(route.scope)
        wanted: list[tuple[str, Headers, int]] = [(name, who, 401) for name, who in dead.items()]
        wanted.append(("wrong scope", narrow[route.scope], 403))
        if admins:
            wanted += [("user", callers.user, 403), ("browser", callers.user_session, 403)]
            wanted.append(("old admin", callers.old_admin, 401))
        elif route.has_object:
            wanted += [("other", callers.other, 404), ("admin", callers.admin, 404)]
        for name, who, status in wanted:
            answer = await ask(client, route, ids, who)
            if answer.status_code != status:
                wrong.append(f"{route} by {name}: {answer.status_code} {answer.text[:90]}")
    assert wrong == []
    after = await digest(db)
    assert [table for table in after if after[table] != before.get(table)] == []


async def test_s23_of_a_closed_account_only_the_way_back_is_open(
    client: httpx.AsyncClient, app: Litestar, ids: dict[str, str], db: Database
) -> None:
    """Its owner's, who logs in again; where an administrator has closed it, nothing is."""
    leaving, key = await a_leaver(app, db, "leaving", by_admin=False)
    expelled, dead = await a_leaver(app, db, "expelled", by_admin=True)
    back, wrong, before = [Route(*line.split()) for line in LEAVING.strip().splitlines()], list[str](), await digest(db)
    for route in [*routes(PERSONAL), *routes(ADMIN)]:
        if (answer := await ask(client, route, ids, expelled)).status_code != 401:
            wrong.append(f"{route} by expelled: {answer.status_code}")
        if route not in back:
            answer = await ask(client, route, ids, leaving)
            told = "" if route.method == "HEAD" else answer.json().get("code")
            if answer.status_code != 403 or told not in {"", "account.leaving"}:
                wrong.append(f"{route} by leaving: {answer.status_code} {told}")
    assert wrong == []
    after = await digest(db)
    assert [table for table in after if after[table] != before.get(table)] == []
    by_key = [await client.get(path, headers=who) for who in (key, dead) for path in ("/v1/me", "/v1/drafts")]
    assert [answer.status_code for answer in by_key] == [200, 403, 401, 401]
    statuses = [(await ask(client, route, ids, leaving)).status_code for route in back]
    assert statuses == [200, 404, 202, 200, 204]


async def test_s01_s02_s03_s04_s05_s09_anothers_object_is_told_like_one_that_is_not_there(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    """Word for word: an id can't be probed."""
    nobodys, wrong = unknown(ids), list[str]()
    for route in routes(PERSONAL):
        if not route.has_object or route.method == "HEAD":
            continue
        theirs = await ask(client, route, ids, callers.other)
        none = await ask(client, route, nobodys, callers.other)
        told = [said.json() | {"request_id": "", "instance": ""} for said in (theirs, none)]
        if told[0] != told[1] or set(theirs.headers) != set(none.headers):
            wrong.append(f"{route}: {told}")
    assert wrong == []


async def test_s12_who_may_gets_in(client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]) -> None:
    """The owner by key and by session, and administrators: refused for what they send, never for who they are."""
    wrong = list[str]()
    rights = [(route, callers.user) for route in routes(PERSONAL) if ENDLESS not in route.template]
    rights += [(route, who) for route in routes(ADMIN) for who in (callers.admin, callers.admin_session)]
    rights += [(route, {}) for route in routes(PUBLIC)]
    for route, who in rights:
        answer = await ask(client, route, ids, who)
        problem = answer.headers.get("Content-Type") == "application/problem+json" and route.method != "HEAD"
        told = answer.json()["code"] if problem else ""
        if told == "events.ticket_refused":  # its path is the ticket, and this one is none
            continue
        if answer.status_code in {401, 405, 500} or told in {"auth.insufficient_scope", "auth.admin_only", "auth.csrf"}:
            wrong.append(f"{route}: {answer.status_code} {told}")
        if route.template.startswith("/v1") and "admin" not in route.template and told == "request.not_found":
            wrong.append(f"{route}: its owner is told that it is not there")
    assert wrong == []


async def test_s55_the_scope_in_the_table_is_enough(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str], db: Database
) -> None:
    """And so no route asks for more: that none asks for less is told by those who may not."""
    keys, wrong = dict[str, Headers](), list[str]()
    for route in routes(PERSONAL):
        if route.scope not in keys:
            keys[route.scope] = await a_key(db, callers.user_account, scopes=[Scope(route.scope)])
        if not route.template.endswith(ENDLESS):
            answer = await ask(client, route, ids, keys[route.scope])
            if answer.status_code == 403 and "auth.insufficient_scope" in answer.text:
                wrong.append(f"{route}: {answer.json()['scope']}")
    assert wrong == []


async def test_s12_lists_show_nothing_of_anothers(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    theirs = {value for name, value in ids.items() if name.endswith("_id") and name != "boost_id"}
    for route in routes(PERSONAL):
        if route.method != "GET" or route.has_object:
            continue
        for who in (callers.other, callers.admin):
            answer = await ask(client, route, ids, who)
            assert answer.status_code < 400 or "account.no_export" in answer.text, (str(route), answer.text)
            assert not [one for one in theirs if one in answer.text], str(route)
        answer = await ask(client, route, ids, callers.user_session)
        assert answer.status_code < 400 or "account.no_export" in answer.text, str(route)


async def test_s07_a_cursor_serves_its_account_alone(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    made = {"Idempotency-Key": "another", **callers.user}
    await client.post("/v1/create", json={"topic": "Why do dogs bark?"}, headers=made)
    for path in ("/v1/generations", "/v1/credits/transactions"):
        cursor = (await client.get(path, params={"limit": 1}, headers=callers.user)).json()["next_cursor"]
        assert cursor, path
        mine = await client.get(path, params={"cursor": cursor}, headers=callers.user)
        theirs = await client.get(path, params={"cursor": cursor}, headers=callers.other)
        assert (mine.status_code, theirs.status_code, theirs.json()["field"]) == (200, 400, "cursor")


async def test_s08_a_request_cannot_name_what_is_anothers(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    """An order, a saved asset, a regeneration: what they refer to is looked for among one's own alone."""
    asked = {
        "/v1/create": {"draft_id": ids["draft_id"]},
        "/v1/regenerate": {"draft_id": ids["draft_id"], "part": "hook"},
        "/v1/library/assets": {"variant_id": ids["variant_id"]},
    }
    for path, body in asked.items():
        answers = [
            await client.post(path, json=each, headers={"Idempotency-Key": uuid4().hex, **callers.other})
            for each in (body, {name: str(uuid4()) if name.endswith("_id") else value for name, value in body.items()})
        ]
        assert {answer.status_code for answer in answers} == {404}, path
        assert answers[0].json()["detail"] == answers[1].json()["detail"]
