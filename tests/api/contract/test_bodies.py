"""Bodies are read as what they say, and what doesn't fit is said in words."""

from uuid import uuid4

import httpx
import pytest

from tests.api.callers import Callers

JSON = {"Content-Type": "application/json"}
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
