"""A request says one thing only: S33 to S35, S37 and S44."""

import itertools
import re
import string
import time
from collections import Counter
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from reelwright.api.arriving import BODY_LIMIT
from reelwright.api.operations import operations

KEY = {"Idempotency-Key": "one", "Content-Type": "application/json"}


async def refused(answer: httpx.Response, *, field: str | None) -> None:
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "request.invalid"
    assert answer.json().get("field") == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"topic": "cats", "topic": "dogs"}', "topic"),
        (b'{"topic": "cats", "t\\u006fpic": "dogs"}', "topic"),
        (b'{"topic": "cats", "x": [{"a": 1, "a": 1}]}', "a"),
    ],
)
async def test_s33_a_doubled_key_is_400(api: httpx.AsyncClient, body: bytes, field: str) -> None:
    """Of two, one parser takes the first and the next one the last: a check of one would be passed by the other."""
    await refused(await api.post("/v1/create", content=body, headers=KEY), field=field)


LETTERS = itertools.islice(itertools.product(string.ascii_letters, repeat=3), 30_000)
NAMES = ",".join(f'"{"".join(letters)}":0' for letters in LETTERS)
QUOTED = '"' + "\\" * 30_000 + '"'


@pytest.mark.parametrize(
    ("method", "path", "body", "cookie"),
    [
        ("POST", "/v1/auth/login", f'{{{NAMES},"zzz":0,"zzz":0}}', ""),
        ("GET", "/v1/me", "", f"__Host-reelwright={QUOTED}"),
    ],
    ids=["names", "cookie"],
)
async def test_s36_nobody_holds_the_process_by_one_request(
    api: httpx.AsyncClient, method: str, path: str, body: str, cookie: str
) -> None:
    """Each name was once counted among all others, and http.cookies copied what was left at each quote: for seconds."""
    api.headers.pop("Authorization")
    began = time.process_time()
    sent = {"Content-Type": "application/json", "Cookie": cookie}
    answer = await api.request(method, path, content=body, headers=sent)
    took_s = time.process_time() - began
    assert (answer.status_code, took_s < 1) == (400 if body else 401, True), (answer.text, took_s)


async def test_s34_a_doubled_parameter_is_400(api: httpx.AsyncClient) -> None:
    await refused(await api.get("/v1/generations?limit=1&limit=100"), field="limit")
    assert (await api.get("/v1/generations?limit=1")).status_code == 200


@pytest.mark.parametrize("name", ["fields", "expand", "Limit", "limit[]", "account_id"])
async def test_s35_an_unknown_parameter_is_400_and_says_which_there_are(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.get("/v1/generations", params={name: "1"})
    await refused(answer, field=name)
    assert "cursor, limit, status" in answer.json()["detail"]
    await refused(await api.get("/v1/limits", params={name: "1"}), field=name)


async def test_a_stranger_learns_nothing_of_parameters(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/generations?fields=1", headers={"Authorization": "Bearer rw_live_none"})
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"topic":' * 50_000])
async def test_s37_endless_nesting_is_400(api: httpx.AsyncClient, body: bytes) -> None:
    await refused(await api.post("/v1/create", content=body[:250_000], headers=KEY), field=None)


@pytest.mark.parametrize("number", ["9223372036854775808", "1e400", "-1e400", "NaN", "9" * 5000])
async def test_s44_a_number_beyond_all_numbers_is_400(api: httpx.AsyncClient, number: str) -> None:
    body = f'{{"topic": "cats", "duration_s": {number}}}'.encode()
    answer = await api.post("/v1/create", content=body, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")
    query = await api.get("/v1/generations", params={"limit": number})
    assert (query.status_code, query.json()["code"]) == (400, "request.invalid")


NAMED = {"position": "0", "stage": "STORY_WRITING", "provider": "openai", "model": "gpt-4.1"}


async def test_whatever_is_changed_a_body_may_be_too_large(api: httpx.AsyncClient, app: Litestar) -> None:
    """Also where none is asked for: it is read to know repeats by, and to see whether it says one thing only."""
    sent, seen = b'"' + b"a" * (BODY_LIMIT + 40_000) + b'"', Counter[bool]()
    for one in operations(app):
        ours = one.method not in {"GET", "HEAD"} and one.path.startswith("/v1/") and "/admin/" not in one.path
        if not ours or one.handler.opt.get("takes_files"):
            continue
        path = re.sub(r"{(\w+)}", lambda found: NAMED.get(found[1], str(UUID(int=1))), one.path)
        answer = await api.request(one.method, path, content=sent, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large"), one
        seen[one.body is None] += 1
    assert min(seen.values()) > 20
