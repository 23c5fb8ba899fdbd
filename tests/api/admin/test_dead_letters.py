"""/v1/admin/dead-letters: administrators see what died and set it going again, once."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.generations import DeadLetters, Generations, GenerationState, Stage, Unit
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person

INGESTION = Unit(stage=Stage.INGESTION)
PATH = "/v1/admin/dead-letters"


@pytest.fixture
async def dead(api: httpx.AsyncClient, db: Database, redis: Redis) -> tuple[str, str]:
    """A generation that died, and its letter."""
    secret = {"topic": "A secret about cats"}
    answer = await api.post(
        "/v1/create", json=secret, headers={"Idempotency-Key": uuid4().hex, "X-Request-Id": "the-first"}
    )
    generation = GenerationId(UUID(answer.json()["generation_id"]))
    async with db.begin() as tx:
        run = INGESTION.run_id(generation)
        facts = {"failure_code": "stage.bug", "failure_sentence": "It broke.", "units_back": True}
        await Generations(session=tx).finish(generation, GenerationState.FAILED, **facts)  # type: ignore[arg-type]
        letters = DeadLetters(session=tx)
        await letters.add(
            generation_id=generation, run_id=run, unit=INGESTION, reason="bug", code="stage.bug", attempts=5
        )
        (letter,) = await letters.list(1)
    await redis.flushdb()
    return str(generation), str(letter.id)


async def redrive(office: httpx.AsyncClient, letter: str, key: str = "k") -> httpx.Response:
    return await office.post(f"{PATH}/{letter}/redrive", json={}, headers={"Idempotency-Key": key})


async def test_it_is_listed_and_shown_without_what_the_owner_wrote(
    office: httpx.AsyncClient, dead: tuple[str, str], user: Person
) -> None:
    generation, letter = dead
    listed = (await office.get(PATH)).json()
    assert listed["next_cursor"] is None
    (entry,) = listed["dead_letters"]
    told = {"id": letter, "kind": "generation", "generation_id": generation, "stage": "INGESTION", "open": True}
    assert told.items() <= entry.items()

    shown = await office.get(f"{PATH}/{letter}")

    case = shown.json()
    assert (shown.status_code, case["dead_letter"]) == (200, entry)
    reel = {"id": generation, "user_id": user.account_id, "status": "failed", "request_id": "the-first"}
    assert reel.items() <= case["generation"].items()
    assert (case["generation"]["failure_code"], case["generation"]["failure_detail"]) == ("stage.bug", "It broke.")
    (run,) = case["runs"]
    assert (run["stage"], run["status"], run["attempts"], run["most_attempts"]) == ("INGESTION", "cancelled", 0, 5)
    assert "bug" in case["next_step"]
    assert "secret" not in shown.text


async def test_a_redrive_is_202_once_and_the_letter_is_closed(
    office: httpx.AsyncClient, api: httpx.AsyncClient, dead: tuple[str, str], admin: Person, db: Database
) -> None:
    generation, letter = dead
    answers = await asyncio.gather(*(redrive(office, letter) for _ in range(4)))

    heirs = {answer.json()["generation_id"] for answer in answers}
    assert [answer.status_code for answer in answers] == [202] * 4
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", *["true"] * 3]
    (heir,) = heirs
    assert {answer.headers["Location"] for answer in answers} == {f"/v1/generations/{heir}"}
    other = await redrive(office, letter, key="other")
    assert (other.status_code, other.json()["code"], other.json()["generation_id"]) == (
        409,
        "dead_letter.redriven_already",
        heir,
    )
    assert (await office.get(PATH)).json()["dead_letters"] == []
    (closed,) = (await office.get(f"{PATH}?open=false")).json()["dead_letters"]
    assert (closed["open"], closed["successor"], closed["redriven_by"]) == (False, heir, admin.account_id)
    assert (await api.get(f"/v1/generations/{heir}")).json()["status"] == "queued"
    again = await api.post(f"/v1/generations/{generation}/resume", json={}, headers={"Idempotency-Key": "mine"})
    assert (again.status_code, again.json()["generation_id"]) == (409, heir)


async def test_nobody_else_may_see_or_touch_them(api: httpx.AsyncClient, dead: tuple[str, str]) -> None:
    _, letter = dead
    answers = [await api.get(PATH), await api.get(f"{PATH}/{letter}"), await redrive(api, letter)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "auth.admin_only")] * 3
    nobody = await api.get(PATH, headers={"Authorization": ""})
    assert nobody.status_code == 401


@pytest.mark.parametrize("letter", ["0190a5f2-7c3e-7d4b-9a61-5e2f8b7c6d10", "17", "nonsense", "%00"])
async def test_404_for_what_is_none(letter: str, office: httpx.AsyncClient, db: Database) -> None:
    for answer in (await office.get(f"{PATH}/{letter}"), await redrive(office, letter)):
        assert (answer.status_code, answer.json()["code"]) == (404, "dead_letter.not_found"), answer.text


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=101", "limit"), ("open=perhaps", "open"), ("cursor=x", "cursor")]
)
async def test_400_names_the_parameter(query: str, field: str, office: httpx.AsyncClient) -> None:
    answer = await office.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


async def test_a_cursor_leads_on(office: httpx.AsyncClient, dead: tuple[str, str], db: Database) -> None:
    _, letter = dead
    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET parked_at = now(), parked_reason = 'status: 400'"))
    first = (await office.get(f"{PATH}?limit=1")).json()
    second = (await office.get(f"{PATH}?limit=1&cursor={first['next_cursor']}")).json()
    assert [entry["id"] for entry in first["dead_letters"]] == [letter]
    (message,) = second["dead_letters"]
    assert (message["kind"], message["code"], second["next_cursor"]) == ("message", "outbox.parked", None)
    assert (await redrive(office, message["id"])).status_code == 202
    assert (await office.get(f"{PATH}/{message['id']}")).status_code == 404


async def test_a_redrive_asks_for_a_key(office: httpx.AsyncClient, dead: tuple[str, str]) -> None:
    answer = await office.post(f"{PATH}/{dead[1]}/redrive", json={})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
