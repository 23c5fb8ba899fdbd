"""Tickets to a generation's events: for a browser's EventSource, once, for a minute, for that generation alone."""

from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Caller, Tickets
from reelwright.api import following
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import identity
from tests.api.conftest import Person
from tests.api.generations.test_following import note, stream


@pytest.fixture
async def generation(api: httpx.AsyncClient) -> str:
    answer = await api.post("/v1/create", json={"topic": "Why do cats purr?"}, headers={"Idempotency-Key": "k"})
    return answer.json()["generation_id"]


async def a_ticket(api: httpx.AsyncClient, generation: str) -> str:
    """Return a ticket's token."""
    answer = await api.post(f"/v1/generations/{generation}/events/ticket")
    assert answer.status_code == 201, answer.text
    path, _, token = answer.json()["url"].rpartition("/")
    assert path.endswith(f"/v1/generations/{generation}/events")
    return token


async def refused(api: httpx.AsyncClient, generation: str, token: str) -> tuple[int, str]:
    answer = await api.get(f"/v1/generations/{generation}/events/{token}", headers={"Authorization": ""})
    return answer.status_code, answer.json()["code"]


async def test_s94_a_ticket_opens_one_stream_once_without_a_key(
    app: Litestar, api: httpx.AsyncClient, generation: str, db: Database
) -> None:
    token = await a_ticket(api, generation)
    async with stream(app, None, generation, ticket=token) as ear:
        await ear.until("id: 1\nevent: queued")
        await note(db, generation, "paused")
        await ear.until("id: 2\nevent: paused")
        assert ear.status == 200
    assert await refused(api, generation, token) == (401, "events.ticket_refused")
    assert following._TAKEN == {}


async def test_it_goes_on_behind_the_last_event_that_came(
    app: Litestar, api: httpx.AsyncClient, generation: str, db: Database
) -> None:
    await note(db, generation, "paused")
    token = await a_ticket(api, generation)
    async with stream(app, None, generation, ticket=token, query="last_event_id=1") as ear:
        await ear.until("id: 2\nevent: paused")
        assert "id: 1\n" not in ear.said


async def test_s94_a_ticket_is_good_for_its_generation_and_for_a_minute(
    api: httpx.AsyncClient, generation: str, db: Database
) -> None:
    other = (await api.post("/v1/create", json={"topic": "Dogs"}, headers={"Idempotency-Key": "o"})).json()
    token, late = await a_ticket(api, generation), await a_ticket(api, generation)
    async with db.begin() as tx:
        lasts = text("SELECT max(expires_at - created_at) <= interval '60 s' FROM stream_tickets")
        assert await tx.scalar(lasts)
        await tx.execute(text("UPDATE stream_tickets SET expires_at = now() - interval '1 s'"))
    assert await refused(api, generation, token) == (401, "events.ticket_refused")
    new = await a_ticket(api, generation)
    for wrong_generation in (other["generation_id"], str(uuid4())):
        assert await refused(api, wrong_generation, new) == (401, "events.ticket_refused")
    for wrong in (late, "x", "t" * 43, "t" * 500):
        assert await refused(api, generation, wrong) == (401, "events.ticket_refused")


async def test_s94_tickets_are_given_to_the_owner_alone_and_kept_hashed(
    api: httpx.AsyncClient, stranger: Person, generation: str, db: Database
) -> None:
    path = f"/v1/generations/{generation}/events/ticket"
    assert (await api.post(path, headers=stranger.headers)).status_code == 404
    assert (await api.post(f"/v1/generations/{uuid4()}/events/ticket")).status_code == 404
    token = await a_ticket(api, generation)
    async with db.begin() as tx:
        kept = str((await tx.execute(text("SELECT * FROM stream_tickets"))).all())
    assert token not in kept


async def test_s94_a_ticket_is_worth_nothing_once_its_key_is_revoked(
    api: httpx.AsyncClient, generation: str, db: Database
) -> None:
    token = await a_ticket(api, generation)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE api_keys SET revoked_at = now()"))
    assert await refused(api, generation, token) == (401, "events.ticket_refused")


async def test_an_account_has_a_few_tickets_at_a_time_the_newest(db: Database, user: Person, generation: str) -> None:
    caller = await identity.of_key(user.secret, db=db)
    assert isinstance(caller, Caller)
    wanted, given = GenerationId(UUID(generation)), []
    async with db.begin() as tx:
        for _ in range(33):
            given.append((await Tickets(tx).issue(caller, wanted))[0])
            await tx.execute(text("UPDATE stream_tickets SET created_at = created_at - interval '1 ms'"))
    async with db.begin() as tx:
        kept = await tx.scalar(text("SELECT count(*) FROM stream_tickets"))
        found = await Tickets(tx).spend(given[-1], wanted)
        crowded_out = await Tickets(tx).spend(given[0], wanted)
    assert (kept, crowded_out) == (30, None)
    assert found is not None
    assert found.account.id == AccountId(UUID(user.account_id))
