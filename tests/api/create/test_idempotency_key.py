"""E64 and E66: which keys are keys, and what counts as the same request."""

import httpx
import pytest

TOPIC = {"topic": "Why do cats purr?", "duration_s": 30}


@pytest.mark.parametrize("key", ["a", "a" * 200, "one,two", '"quoted"', "!~", "'"])
async def test_e64_visible_ascii_of_up_to_200_characters_is_one_key(key: str, api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": key}
    first = await api.post("/v1/create", json=TOPIC, headers=headers)
    again = await api.post("/v1/create", json=TOPIC, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert "Idempotency-Replayed" not in first.headers
    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", first.json())


@pytest.mark.parametrize("path", ["create", "ingestions"])
async def test_a_repeat_tells_what_the_first_one_made_as_it_is_now(path: str, api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    body = {"topic": TOPIC["topic"]} if path == "create" else {"text": "Cats purr when they are content. " * 10}
    first = await api.post(f"/v1/{path}", json=body, headers=headers)
    place = f"/v1/generations/{first.json()['generation_id']}"
    cancelled = await api.post(f"{place}/cancel")
    assert (first.json()["status"], cancelled.status_code) == ("queued", 202), cancelled.text
    again = await api.post(f"/v1/{path}", json=body, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json() == first.json() | {"status": "cancelled"}


@pytest.mark.parametrize(
    "keys",
    [[b""], [b"a" * 201], ["ключ".encode()], [b"one two"], [b"one, two"], [b'""'], [b"one", b"two"], [b"one", b"one"]],
)
async def test_e64_anything_else_is_400(keys: list[bytes], api: httpx.AsyncClient) -> None:
    headers = [(b"Idempotency-Key", key) for key in keys]
    answer = await api.post("/v1/create", json=TOPIC, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key"), answer.text


async def test_e64_quotes_around_a_key_are_not_part_of_it(api: httpx.AsyncClient) -> None:
    plain = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": "key"})
    quoted = await api.post("/v1/create", json=TOPIC, headers={"Idempotency-Key": '"key"'})
    assert quoted.json() == plain.json()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"duration_s": 30, "topic": "Why do cats purr?"}', 202),
        (b'{ "topic":"Why do cats purr?",\n "duration_s":30, "tone": "curious" }', 202),
        (b'{"topic": "Why do cats purr\\u003f", "duration_s": 30}', 202),
        (b'{"topic": "Why do cats purr? ", "duration_s": 30}', 422),
        (b'{"topic": "Why do cats purr?", "duration_s": 31}', 422),
    ],
)
async def test_e66_order_of_fields_spaces_and_defaults_make_no_other_request(
    body: bytes, status: int, api: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    await api.post("/v1/create", json=TOPIC, headers=headers)
    answer = await api.post("/v1/create", content=body, headers=headers)
    assert answer.status_code == status, answer.text
