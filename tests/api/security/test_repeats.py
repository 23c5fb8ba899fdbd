"""Every POST that is sent twice with one Idempotency-Key says so, and none says so that answers anew."""

import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from redis.asyncio import Redis

from reelwright.api.contract_text import EXAMPLES
from reelwright.api.idempotency import unkept
from reelwright.api.operations import Operation, operations
from reelwright.generations import GenerationState
from reelwright.ground.postgres import Database
from tests.api.callers import Callers, everybody
from tests.api.resume.test_resume import ended
from tests.api.security.objects import MUSIC, a_media, objects
from tests.builders import a_written_draft

ROOT = Path(__file__).parents[3]
UNKEPT = {
    "calculate_cost": "nothing is written",
    "ticket": "each is of use once",
    "open_portal": "each page is of use for minutes",
    "log_out": "the session is over",
    "step_up": "the session has another token",
}
ELSEWHERE = {
    "delete_account": "the key is over",
    "restore_account": "tests/api/account/test_account.py",
    "delete_user": "tests/api/account/test_account.py",
    "redrive": "tests/api/admin/test_dead_letters.py",
    "refund_generation": "tests/api/credits/test_corrections.py",
    "replay_stripe_event": "tests/api/webhooks_in/test_stripe.py",
    "retry_ingestion": "tests/api/ingestion/test_ingestion.py",
    "upload_media": "tests/api/media/test_uploads.py",
    "subscribe": "tests/api/payments/test_buying.py",
    "buy_credits": "tests/api/payments/test_buying.py",
    "buy_boost": "tests/api/payments/test_buying.py",
    "change_plan": "tests/api/payments/test_buying.py",
    "cancel_subscription": "tests/api/payments/test_buying.py",
    "resume_subscription": "tests/api/payments/test_buying.py",
}
"""What asks for a state of its own, which its own test makes; or can't be asked twice."""
FIRST = ("pause_pipeline", "resume_pipeline", "pause", "resume", "cancel_stage_run", "cancel")
"""What is done to the one generation, in this order."""
ORDERS = frozenset({"create", "ingest", "regenerate", "regenerate_scene", "regenerate_variant", "start_stage"})
"""What starts one: it is cancelled behind its repeat, as an account may have two at once."""


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as made:
        yield made


@pytest.fixture
async def ids(client: httpx.AsyncClient, callers: Callers, db: Database) -> dict[str, str]:
    return await objects(client, callers, db)


def posts(app: Litestar) -> Iterator[tuple[str, Operation]]:
    found = {one.name: one for one in operations(app) if one.method == "POST" and one.signed_in}
    yield from ((name, found.pop(name)) for name in FIRST)
    yield from found.items()


async def body_of(name: str, ids: dict[str, str], callers: Callers, db: Database) -> Any:
    """Return what a route takes; regenerations each have a draft of their own, for none may follow another at once."""
    fresh = await a_written_draft(db, callers.user_account.id) if name.startswith("regenerate") else None
    if fresh:
        ids["variant_id"] = str(fresh.variant)
    bodies: dict[str, Any] = {
        "add_music": {"media_id": str(await a_media(db, callers.user_account.id, kind="audio")), "title": "B", **MUSIC},
        "ingest": {"text": "Cats purr by moving their larynx. They do it when they are calm."},
        "regenerate": {"draft_id": str(fresh and fresh.draft), "part": "hook"},
        "regenerate_scene": {"part": "text"},
        "regenerate_variant": {"part": "hook"},
        "reorder_scenes": {"order": [1, 0]},
    }
    return bodies.get(name) or next(iter(EXAMPLES.get(name, {}).values()), {})


def told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("Idempotency-Replayed")


async def test_every_repeat_is_told_as_one(
    app: Litestar, client: httpx.AsyncClient, callers: Callers, ids: dict[str, str], db: Database
) -> None:
    wrong, seen = list[str](), set[str]()
    for name, one in posts(app):
        if name in ELSEWHERE or name in UNKEPT:
            continue
        seen.add(name)
        body = await body_of(name, ids, callers, db)
        path = re.sub(r":\w+}", "}", one.path).format(**ids)
        sent = {**(callers.admin if "/admin/" in path else callers.user), "Idempotency-Key": uuid4().hex}
        first, again = [await client.post(path, json=body, headers=sent) for _ in range(2)]
        if (first.status_code >= 300, told(first)[1], told(again)) != (False, None, (first.status_code, "true")):
            wrong.append(f"{name}: {told(first)}, {told(again)} {again.text[:200]}")
        if name in ORDERS and first.status_code == 202:
            stop = f"/v1/generations/{first.json()['generation_id']}/cancel"
            assert (await client.post(stop, headers=callers.user)).status_code == 202
    assert wrong == []
    assert len(seen) > 30
    assert {*seen, *ELSEWHERE, *UNKEPT} == {name for name, _ in posts(app)}
    assert {name for name, one in posts(app) if unkept(one.handler)} == set(UNKEPT)


def test_what_is_asked_elsewhere_is_asked_there() -> None:
    for file in {place for place in ELSEWHERE.values() if place.startswith("tests/")}:
        assert re.search(r"Idempotency-Replayed|REPLAYED", (ROOT / file).read_text()), file


async def test_a_repeat_does_nothing_though_much_has_happened_since(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    """Who hears no answer asks again, maybe late: what he has asked for since stays so."""
    place = f"/v1/generations/{ids['generation_id']}"

    async def ask(what: str, key: str) -> httpx.Response:
        return await client.post(f"{place}/{what}", json={}, headers={**callers.user, "Idempotency-Key": key})

    assert (await ask("pause", "one")).json()["paused_at"]
    assert (await ask("resume", "two")).status_code == 202
    late = await ask("pause", "one")
    assert (told(late), late.json()["paused_at"]) == ((202, "true"), None)
    assert (await ask("pause", "three")).json()["paused_at"]
    assert told(await ask("resume", "two")) == (202, "true")
    assert (await client.get(place, headers=callers.user)).json()["paused_at"]
    assert (await ask("cancel", "four")).json()["status"] == "cancelled"
    assert told(await ask("pause", "five")) == told(await ask("pause", "five")) == (409, None)


@pytest.mark.parametrize("query", ["?dry_run=false", "?dry_run=0", "?%64ry_run=False"])
async def test_a_repeat_that_says_it_is_no_dry_run_does_nothing_again(
    query: str, client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    """What was paused again meanwhile stays so, however the query spells that this is meant."""
    place = f"/v1/generations/{ids['generation_id']}"

    async def ask(what: str, key: str) -> httpx.Response:
        return await client.post(f"{place}/{what}", json={}, headers={**callers.user, "Idempotency-Key": key})

    assert (await ask("pause", "one")).json()["paused_at"]
    assert told(await ask(f"resume{query}", "two")) == (202, None)
    assert (await ask("pause", "three")).json()["paused_at"]
    assert told(await ask(f"resume{query}", "two")) == (202, "true")
    assert (await client.get(place, headers=callers.user)).json()["paused_at"]


@pytest.mark.parametrize("query", ["?dry_run=true", "?dry_run=1", "?%64ry_run=true", "?dry_run=%74rue"])
async def test_a_dry_run_leaves_its_key_to_what_is_done(
    query: str, client: httpx.AsyncClient, callers: Callers, ids: dict[str, str], db: Database, redis: Redis
) -> None:
    """Who looks first and orders then, with one key, gets what he ordered, and no repeat of having looked."""
    place, sent = f"/v1/generations/{ids['generation_id']}", {**callers.user, "Idempotency-Key": "one"}
    await ended(db, ids["generation_id"], GenerationState.FAILED, redis)
    seen = await client.post(f"{place}/resume{query}", json={}, headers=sent)
    assert (told(seen), seen.json()["would_admit"]) == ((200, None), True)
    assert told(await client.post(f"{place}/resume", json={}, headers=sent)) == (202, None)
    assert told(await client.post(f"{place}/resume{query}", json={}, headers=sent))[1] is None
    assert told(await client.post(f"{place}/resume", json={}, headers=sent)) == (202, "true")


async def test_a_key_of_one_request_is_refused_for_another(
    client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    place, sent = f"/v1/generations/{ids['generation_id']}/pause", {**callers.user, "Idempotency-Key": "one"}
    assert (await client.post(place, json={}, headers=sent)).status_code == 202
    other = await client.post(place, json={"for": "ever"}, headers=sent)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
