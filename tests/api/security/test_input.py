"""S06, S11, S30 to S47: whatever is sent, the answer is a refusal by field, quickly, and nothing is left of it."""

import gzip
import time
from uuid import uuid4

import httpx
from litestar import Litestar
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.api.snapshot import present

KEY = {"Idempotency-Key": "one"}
JSON = {"Content-Type": "application/json"}
PRIVATE = {
    "password_hash",
    "key_hash",
    "token_hash",
    "secret_hash",
    "stripe_customer_id",
    "customer_id",
    "internal_cost",
    "cost_nano_usd",
    "prompt_system",
    "object_key",
    "fence",
    "lease",
    "lease_until",
    "fingerprint",
    "claimed_by",
}
STRANGE_IDS = (
    "0",
    "-1",
    "NULL",
    "..",
    "../x",
    "%2e%2e%2fx",
    "..%5c..%5cx",
    "%00",
    "%ff%fe",
    "'%20OR%201=1--",
    "%s%%20",
    "%s%%00",
    "a" * 10_000,
    "٣" * 8,
)


async def rows(db: Database) -> int:
    async with db.begin() as tx:
        return await tx.scalar(text("SELECT count(*) FROM (SELECT 1 FROM drafts UNION ALL SELECT 1 FROM outbox) a"))


async def test_s06_a_filter_for_another_account_shows_only_ones_own(
    api: httpx.AsyncClient, order: dict[str, str], stranger: Person, user: Person
) -> None:
    for name in ("account_id", "user_id", "account", "owner", "filter[account_id]", "account_id[]"):
        for path in ("/v1/generations", "/v1/credits/transactions", "/v1/webhooks", "/v1/schedules"):
            answer = await api.get(path, params={name: user.account_id}, headers=stranger.headers)
            assert answer.status_code in {200, 400}
            assert order["generation_id"] not in answer.text
            assert user.account_id not in answer.text


async def test_s11_an_id_that_is_none_is_404(api: httpx.AsyncClient, order: dict[str, str], stranger: Person) -> None:
    """Other spellings of an id are that id, and stay its owner's."""
    real = order["generation_id"]
    for strange in STRANGE_IDS:
        named = strange.replace("%s", real).replace("%%", "%")
        for place in ("/v1/generations/{}", "/v1/drafts/{}", "/v1/schedules/{}/runs", "/v1/webhooks/{}"):
            answer = await api.get(place.format(named))
            assert answer.status_code in {400, 404}, (place, named[:50], answer.status_code)
            assert answer.headers["Content-Type"] == "application/problem+json"
    for spelled in (real.upper(), f"{{{real}}}", f"urn:uuid:{real}", real.replace("-", "")):
        assert (await api.get(f"/v1/generations/{spelled}")).json()["id"] == real
        assert (await api.get(f"/v1/generations/{spelled}", headers=stranger.headers)).status_code == 404


NOT_THEIRS = {
    "account_id": str(uuid4()),
    "state": "succeeded",
    "credits": 0,
    "priority": 99,
    "is_admin": True,
    "lane": "interactive",
    "hold_micro": 0,
    "plan": "pro",
}


async def test_s30_a_field_that_is_not_the_callers_is_400(api: httpx.AsyncClient, db: Database) -> None:
    for field, value in NOT_THEIRS.items():
        answer = await api.post("/v1/create", json={"topic": "Cats", field: value}, headers=KEY)
        assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert await rows(db) == 0


async def test_s31_nobody_raises_himself(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    """No route that a user may call takes a role, a plan, credits or a verified address."""
    before = await standing(db, user)
    for field in ("role", "plan", "credits", "balance_micro", "email_verified", "verified_at", "demo", "is_admin"):
        for path in ("/v1/me", "/v1/notification-preferences"):
            answer = await api.patch(path, json={field: "admin"})
            assert answer.status_code in {400, 404, 405}, (path, field)
    for path in (f"/v1/admin/users/{user.account_id}/plan", f"/v1/admin/users/{user.account_id}/demo"):
        assert (await api.put(path, json={"plan": "pro", "demo": True})).status_code == 403
    assert await standing(db, user) == before


async def standing(db: Database, user: Person) -> str:
    asked = text("SELECT row_to_json(a)::text FROM users a WHERE id = CAST(:id AS uuid)")
    async with db.begin() as tx:
        return await tx.scalar(asked, {"id": user.account_id})


async def test_s32_no_answer_has_a_field_of_ours(app: Litestar, api: httpx.AsyncClient, order: dict[str, str]) -> None:
    """Neither by its schema nor in fact."""
    schema = (await api.get("/schema/openapi.json")).json()
    named = {field for made in schema["components"]["schemas"].values() for field in (made.get("properties") or {})}
    assert named & PRIVATE == set()
    for path in (
        f"/v1/generations/{order['generation_id']}",
        f"/v1/drafts/{order['draft_id']}",
        "/v1/credits/balance",
        "/v1/credits/transactions",
        "/v1/providers/models",
    ):
        assert keys_in((await api.get(path)).json()) & PRIVATE == set(), path


def keys_in(said: object) -> set[str]:
    if isinstance(said, dict):
        return set(said) | {key for inner in said.values() for key in keys_in(inner)}
    return {key for inner in said for key in keys_in(inner)} if isinstance(said, list) else set()


async def test_s36_a_body_beyond_the_cap_is_413(api: httpx.AsyncClient, db: Database) -> None:
    for size in (256 * 1024 + 1, 11 * 1024 * 1024):
        answer = await api.post("/v1/create", content=b'{"text":"' + b"a" * size + b'"}', headers=KEY | JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
    assert await rows(db) == 0


async def test_s39_a_packed_body_is_415_and_stays_packed(api: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b'{"topic":"' + b"a" * 50_000_000 + b'"}')
    began = time.process_time()
    for coding in ("gzip", "br", "zstd", "deflate", "gzip, gzip", "GZIP", "identity, gzip"):
        for path in ("/v1/create", "/webhooks/stripe"):
            answer = await api.post(path, content=bomb, headers=KEY | JSON | {"Content-Encoding": coding})
            assert (answer.status_code, answer.json()["field"]) == (415, "Content-Encoding"), coding
    assert time.process_time() - began < 1


async def test_s40_parts_without_number_are_refused_quickly(api: httpx.AsyncClient) -> None:
    """Where JSON is wanted, no form is looked into at all."""
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    long_name = b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 200_000 + b'"\r\n\r\n\r\n--x--'
    began = time.process_time()
    for body in (part * 1001 + b"--x--", part * 4000, long_name, b"--x", b""):
        for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
            answer = await api.post("/v1/create", content=body, headers=KEY | {"Content-Type": kind})
            assert answer.status_code == 415
    assert time.process_time() - began < 1


async def test_s42_a_length_that_is_none_is_400(api: httpx.AsyncClient, db: Database) -> None:
    no_numbers = ('"30"', '"3e1"', '"true"', '"null"', '"x"', "true", "null", "[30]")
    for value in (*no_numbers, "1e9", "-1", "0", "1.5", "NaN", "Infinity", "1e400"):
        body = f'{{"topic":"Cats","duration_s":{value}}}'.encode()
        answer = await api.post("/v1/create", content=body, headers=KEY | JSON)
        assert answer.status_code == 400, (value, answer.text)
    assert await rows(db) == 0


TEXTS = {
    "a megabyte": ("a" * 200_000, 400),
    "combining marks": ("a" + "\u0301" * 10_000, 400),
    "NUL": ("cats\x00", 400),
    "an escape": ("cats\x1b[2J", 400),
    "a delete": ("cats\x7f", 400),
    "nothing to see": ("\u200b\u2060\ufeff", 400),
    "only direction": ("\u202e\u2066", 400),
}


async def test_s43_text_is_measured_and_plain(api: httpx.AsyncClient, db: Database) -> None:
    for name, (topic, status) in TEXTS.items():
        answer = await api.post("/v1/create", json={"topic": topic}, headers=KEY)
        assert (answer.status_code, answer.json()["field"]) == (status, "topic"), name
    lone = await api.post("/v1/create", content=b'{"topic":"\\ud800 cats"}', headers=KEY | JSON)
    assert lone.status_code == 400
    assert await rows(db) == 0


async def test_s43_what_turns_a_text_round_is_taken_out(api: httpx.AsyncClient) -> None:
    """A topic that reads otherwise than it is stored deceives whoever looks at it."""
    sent = "Cats \u202egnp.exe\u202c and\u200b \u2066dogs\u2069 \U000e0041ok"
    made = await api.post("/v1/create", json={"topic": sent}, headers=KEY)
    assert made.status_code == 202, made.text
    draft = (await api.get(f"/v1/drafts/{made.json()['draft_id']}")).json()
    assert draft["topic"] == "Cats gnp.exe and dogs ok"


NUMBERS = (str(2**63), str(-(2**63) - 1), "9" * 400, "1e400", "1e4000000", "0x10", "٣")


async def test_s44_a_number_beyond_all_numbers_is_400(api: httpx.AsyncClient) -> None:
    for number in NUMBERS:
        scene = f'{{"draft_id":"{uuid4()}","part":"scene_text","scene":{number}}}'
        asked = [
            await api.get("/v1/generations", params={"limit": number}),
            await api.get(f"/v1/credits/transactions/{number}"),
            await api.get("/v1/generations", params={"cursor": number}),
            await api.post("/v1/create", content=f'{{"topic":"C","expected_price":{number}}}', headers=KEY | JSON),
            await api.post("/v1/regenerate", content=scene, headers=KEY | JSON),
        ]
        assert [answer.status_code for answer in asked if answer.status_code not in {400, 404}] == [], number


LONG = {"/v1/admin/usage"}
"""Its lines are short, and 500 of them a page."""


def lists() -> dict[str, tuple[int, dict[str, str]]]:
    """Return what has pages, each with the most of one and what must be told of it; and see that none has an offset."""
    found = dict[str, tuple[int, dict[str, str]]]()
    for path, item in present()["paths"].items():
        asked = {one["name"]: one for one in item.get("get", {}).get("parameters", ()) if one.get("in") == "query"}
        assert not {"offset", "page"} & set(asked), path
        if "limit" in asked and "{" not in path:
            needed = {name: str(uuid4()) for name, one in asked.items() if one.get("required")}
            found[path] = asked["limit"]["schema"]["maximum"], needed
    return found


async def test_s46_no_page_is_longer_than_a_hundred(api: httpx.AsyncClient, office: httpx.AsyncClient) -> None:
    every = lists()
    assert {"/v1/generations", "/v1/credits/transactions", "/v1/webhooks", "/v1/schedules"} <= set(every)
    for path, (most, needed) in every.items():
        client = office if "/admin/" in path else api
        assert most <= 100 or path in LONG, path
        for many in (str(most + 1), "1000000", "0", "-1"):
            answer = await client.get(path, params=needed | {"limit": many})
            assert (answer.status_code, answer.json().get("field")) == (400, "limit"), (path, many, answer.text)
        assert (await client.get(path, params=needed | {"limit": str(most)})).status_code in {200, 404}, path
        assert (await client.get(path, params=needed | {"offset": "1000000000"})).status_code == 400, path


PATTERNS = ("(a+)+$", "%" * 300, "_" * 300, "a%" * 100, "\\", "'", ".*" * 100, "&|!():*", "\u0301" * 200, "a" * 10_000)


async def test_s47_a_search_is_words_and_no_pattern(api: httpx.AsyncClient, db: Database) -> None:
    """Forty aa and a bang would keep a backtracking matcher busy for years, and in each of a thousand rows."""
    said = "a" * 40 + "!"
    for number, title in enumerate((said, "100% sure", "plain")):
        wish = {"text": f"{said} {title}", "title": title}
        made = await api.post("/v1/library/assets", json=wish, headers={"Idempotency-Key": str(number)})
        assert made.status_code == 201, made.text
    async with db.begin() as tx:
        await tx.execute(text(_MANY))

    async def least_s(pattern: str) -> float:
        """Return the least that three answers took: others work beside us."""
        took = list[float]()
        for _ in range(3):
            began = time.perf_counter()
            answer = await api.get("/v1/library/assets", params={"q": pattern})
            took.append(time.perf_counter() - began)
            assert answer.status_code in {200, 400}, (pattern, answer.text)
        if answer.status_code == 200 and pattern not in {"'", "a" * 10_000}:
            assert "plain" not in {one["title"] for one in answer.json()["assets"]}, pattern
        return min(took)

    ordinary = await least_s("zebra")
    for pattern in PATTERNS:
        assert await least_s(pattern) < 0.05 + 10 * ordinary, pattern


_MANY = """
    INSERT INTO assets SELECT made.* FROM assets a, generate_series(1, 500) AS n,
           LATERAL jsonb_populate_record(a, jsonb_build_object('id', md5(n || a.id::text)::uuid)) AS made
"""
