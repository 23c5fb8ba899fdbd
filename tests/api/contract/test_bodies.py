"""Bodies are read as what they say, and what doesn't fit is said in words."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from reelwright.api.bodies import WHOLE
from reelwright.api.misfits import WORDS, wanted_by
from reelwright.api.operations import operations
from tests.api.callers import Callers
from tests.api.contract.test_unambiguous import NAMED
from tests.api.snapshot import present

JSON = {"Content-Type": "application/json"}
KEY = {"Idempotency-Key": "one"}
SCENE = {"draft_id": str(uuid4()), "part": "scene_text"}


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/v1/create", "duration_s", "30"),
        ("/v1/create", "duration_s", "3e1"),
        ("/v1/create", "draft_id", "null"),
        ("/v1/create", "expected_price", "5"),
        ("/v1/regenerate", "scene", "1"),
    ],
)
async def test_a_text_is_no_number_and_no_null(api: httpx.AsyncClient, path: str, field: str, value: str) -> None:
    """What one reader takes for null and another for a text orders something else than its sender thinks."""
    body = {field: value, **({"topic": "Cats"} if path == "/v1/create" else SCENE)}
    answer = await api.post(path, json=body, headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def test_an_administrators_text_is_no_switch(anyone: httpx.AsyncClient, callers: Callers) -> None:
    user = f"/v1/admin/users/{callers.user_account.id}"
    asked = [
        ("PUT", "/demo", {"demo": "0"}, "demo"),
        ("PUT", "/demo", {"demo": 0}, "demo"),
        ("POST", "/credits", {"credits": "5", "reason": "They asked."}, "credits"),
        ("POST", "/credits", {"credits": 5, "reason": "They asked.", "force": "1"}, "force"),
    ]
    for method, path, body, field in asked:
        headers = {**callers.admin, "Idempotency-Key": "one"}
        answer = await anyone.request(method, user + path, json=body, headers=headers)
        assert (answer.status_code, answer.json().get("field")) == (400, field), answer.text


@pytest.mark.parametrize("value", ["30", "30.0", "3e1", "3000e-2"])
async def test_a_whole_number_may_be_written_as_json_lets_it(api: httpx.AsyncClient, value: str) -> None:
    """JSON Schema, and so the contract, calls 30.0 an integer; Python's programs send it."""
    body = f'{{"topic":"Cats","duration_s":{value}}}'
    answer = await api.post("/v1/create?dry_run=true", content=body, headers=JSON)
    assert answer.status_code == 200, answer.text


async def test_queries_are_text_and_read_as_what_they_stand_for(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/generations", params={"limit": "1"})).status_code == 200
    assert (await api.post("/v1/create", params={"dry_run": "1"}, json={"topic": "Cats"})).status_code == 200


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"{}"', b"1"])
async def test_no_object_is_asked_for_as_one(api: httpx.AsyncClient, app: Litestar, body: bytes) -> None:
    """By every route that takes a body: whoever forgot it once read `'data'.` and nothing else."""
    asked = 0
    for one in operations(app):
        if one.body is None or "/admin/" in one.path or (body and asked):
            continue
        path = re.sub(r"{(\w+)}", lambda found: NAMED.get(found[1], str(UUID(int=1))), one.path)
        answer = await api.request(one.method, path, content=body, headers=JSON | {"Idempotency-Key": "one"})
        assert (answer.status_code, answer.json()["detail"]) == (400, WHOLE), one
        asked += 1
    assert asked > 30 or body


SAID = {
    b'{"aspect":"4:3"}': "aspect: use 9:16, 1:1 or 16:9.",
    b'{"language":"english"}': f"language: {WORDS['^[a-z]{2}(-[A-Z]{2})?$']}.",
    b'{"topic":"\xff"}': "Send the body as UTF-8.",
    b'{"topic":': "Input data was truncated.",
}


@pytest.mark.parametrize("body", SAID)
async def test_what_to_send_is_said_in_words(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/v1/create", content=body, headers=JSON | {"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["detail"]) == (400, SAID[body])


async def test_what_lies_deeper_is_said_in_words(
    api: httpx.AsyncClient, anyone: httpx.AsyncClient, callers: Callers
) -> None:
    made = {"name": "Mine", "cron": "0 9 * * *", "source": {"kind": "list", "topics": ["Cats"]}}
    for wrong, said in (
        ({"make": {"aspect": "4:3"}}, "make.aspect: use 9:16, 1:1 or 16:9."),
        ({"source": {"kind": "book"}}, "source.kind: use list, template or rss."),
    ):
        answer = await api.post("/v1/schedules", json=made | wrong, headers={"Idempotency-Key": "one"})
        assert (answer.status_code, answer.json()["detail"]) == (400, said)
    strange = await anyone.post("/v1/admin/action-costs", json={"costs": {"dance": 1}}, headers=KEY | callers.admin)
    assert strange.json()["field"] == "costs"
    assert strange.json()["detail"].startswith("costs: use ")
    named = await api.post("/v1/api-keys", json={"name": "x", "scopes": ["*", "all"]}, headers={"Idempotency-Key": "a"})
    assert named.json()["detail"].startswith("scopes[1]: use generations:read, ")


async def test_a_parameter_is_named_that_misses_or_does_not_fit(api: httpx.AsyncClient) -> None:
    missing = (await api.get("/v1/stage-runs")).json()
    assert (missing["field"], missing["detail"]) == ("generation_id", "generation_id: send this parameter.")
    state = (await api.get("/v1/generations", params={"status": "done"})).json()
    assert state["field"] == "status"
    assert state["detail"].startswith("status: use queued, ")


def test_every_pattern_of_the_contract_has_its_words() -> None:
    sent = {one for one in patterns(present()["components"]["schemas"]) if not one.startswith("^[a-z_]+\\.")}
    assert len(sent) > 8
    assert [one for one in sent if wanted_by(one) is None] == []


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from patterns(each)
