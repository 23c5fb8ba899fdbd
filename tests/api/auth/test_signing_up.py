"""Signing up: one answer for everybody, and a letter that opens the account with its own sign-up's password."""

import asyncio
import json

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Passwords
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances, attempts, identity
from tests.api.auth.conftest import Letters, token_in, told, words
from tests.api.callers import an_account

ADA = {"email": "Ada@example.com", "password": "a lovely long pass phrase"}


async def asked(db: Database, query: str) -> list[tuple[object, ...]]:
    async with db.begin() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def test_a_newcomer_signs_up_confirms_the_address_and_logs_in(
    web: httpx.AsyncClient, letters: Letters, db: Database
) -> None:
    assert (await web.post("/v1/auth/register", json=ADA)).status_code == 202
    assert told(await web.post("/v1/auth/login", json=ADA)) == (401, "auth.wrong_credentials")
    (letter,) = await letters()
    assert (letter["To"], letter["Subject"]) == ("Ada@example.com", "Confirm your e-mail address")
    assert letter["List-Unsubscribe"] is None
    token = token_in(letter)
    assert f"https://reel.example/verify?token={token}" in words(letter)

    verified = await web.post("/v1/auth/verify", json={"token": token})

    assert (verified.status_code, verified.json()["email"]) == (200, "Ada@example.com")
    assert told(await web.post("/v1/auth/verify", json={"token": token})) == (400, "auth.token_invalid")
    begun = await web.post("/v1/auth/login", json=ADA | {"email": "ADA@EXAMPLE.COM"})
    assert begun.status_code == 200
    assert begun.json()["account"]["plan"] == "basic"
    me = await web.get("/v1/me")
    assert (me.json()["account"]["email"], me.json()["has_password"]) == ("Ada@example.com", True)
    assert (await web.get("/v1/credits/balance")).json()["balance"] == 1500


async def test_s29_who_is_known_is_told_by_letter_alone(
    web: httpx.AsyncClient, letters: Letters, app: Litestar, db: Database
) -> None:
    await an_account(db, "known")
    answers = [
        await web.post(path, json=body | {"email": f"{who}@example.com"})
        for path, body in (("/v1/auth/register", {"password": ADA["password"]}), ("/v1/auth/password-reset", {}))
        for who in ("known", "other")
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.text.replace("known", "other") for answer in answers} == {answers[1].text}
    sent = {(letter["To"], letter["Subject"]) for letter in await letters()}
    assert sent == {
        ("known@example.com", "You already have an account"),
        ("known@example.com", "Choose a new password"),
        ("other@example.com", "Confirm your e-mail address"),
    }


async def test_s29_signing_up_hashes_a_password_for_whoever_is_known_too(
    web: httpx.AsyncClient, db: Database, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work is counted, not timed: hashing is all but all of it."""
    await an_account(db, "known")
    hashed = []
    real = Passwords._threaded

    async def counted(self, do):
        hashed.append(do)
        return await real(self, do)

    monkeypatch.setattr(Passwords, "_threaded", counted)
    for who in ("known", "other"):
        await web.post("/v1/auth/register", json=ADA | {"email": f"{who}@example.com"})
    assert len(hashed) == 2
    for body in (ADA | {"email": "known@example.com"}, ADA | {"email": "nobody@example.com"}, ADA):
        assert told(await web.post("/v1/auth/login", json=body)) == (401, "auth.wrong_credentials")
    assert len(hashed) == 5


async def test_each_letter_opens_the_account_with_its_own_password(web: httpx.AsyncClient, letters: Letters) -> None:
    """A stranger who signs up with somebody's address, before or after them, gets nothing by their confirming it."""
    theirs = ADA | {"password": "the stranger's own phrase"}
    await web.post("/v1/auth/register", json=theirs)
    (stranger,) = await letters()
    await web.post("/v1/auth/register", json=ADA)
    (own,) = await letters()
    await web.post("/v1/auth/register", json=theirs)
    (later,) = await letters()

    assert (await web.post("/v1/auth/verify", json={"token": token_in(own)})).status_code == 200

    assert told(await web.post("/v1/auth/login", json=theirs)) == (401, "auth.wrong_credentials")
    assert (await web.post("/v1/auth/login", json=ADA)).status_code == 200
    for worthless in (stranger, later):
        answer = await web.post("/v1/auth/verify", json={"token": token_in(worthless)})
        assert told(answer) == (400, "auth.token_invalid")


async def test_two_who_sign_up_at_once_make_one_account_and_two_letters(
    web: httpx.AsyncClient, letters: Letters, db: Database
) -> None:
    answers = await asyncio.gather(*(web.post("/v1/auth/register", json=ADA) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {202}
    assert len(await letters()) == 3
    assert await asked(db, "SELECT count(*) FROM users WHERE lower(email) = 'ada@example.com'") == [(1,)]


async def test_s58_free_credits_wait_for_the_address_and_sign_ups_from_one_place_are_few(
    web: httpx.AsyncClient, letters: Letters, db: Database
) -> None:
    most = attempts.SIGN_UP_CLIENT.limit
    answers = [
        await web.post("/v1/auth/register", json=ADA | {"email": f"farm{n}@example.com"}) for n in range(most + 1)
    ]
    assert [answer.status_code for answer in answers] == [202] * most + [429]
    assert answers[-1].json()["code"] == "auth.too_many_attempts"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
    assert await allowances.refill_due(db=db, now=clock.now()) == 0
    assert await asked(db, "SELECT count(*) FROM credit_lots") == [(0,)]


async def test_s18_resets_are_few_from_one_place_and_keep_nobody_from_signing_up(
    web: httpx.AsyncClient, letters: Letters
) -> None:
    most = attempts.RESET_CLIENT.limit
    asks = [await web.post("/v1/auth/password-reset", json={"email": f"r{n}@example.com"}) for n in range(most + 1)]
    assert [answer.status_code for answer in asks] == [202] * most + [429]
    assert (await web.post("/v1/auth/register", json=ADA)).status_code == 202


async def test_a_letterbox_is_filled_by_nobody(web: httpx.AsyncClient, letters: Letters, db: Database) -> None:
    await an_account(db, "known")
    asks = [await web.post("/v1/auth/password-reset", json={"email": "Known@example.com"}) for _ in range(6)]
    assert [answer.status_code for answer in asks] == [202] * 5 + [429]
    assert len(await letters()) == 5


@pytest.mark.parametrize("path", ["register", "password-reset"])
@pytest.mark.parametrize("email", ["böb@example.com", "<carol@example.com>", "a..b@example.com"])
async def test_an_address_that_no_letter_reaches_is_refused_at_once(
    web: httpx.AsyncClient, db: Database, path: str, email: str
) -> None:
    """Nobody waits for a letter that is never sent."""
    body = (ADA if path == "register" else {}) | {"email": email}
    answer = await web.post(f"/v1/auth/{path}", json=body)
    assert (*told(answer), answer.json()["field"]) == (400, "accounts.email_invalid", "email")
    assert await asked(db, "SELECT count(*) FROM users") == [(0,)]


@pytest.mark.parametrize(
    ("password", "works"),
    [
        ("seven77", False),
        ("eight8xq", True),
        ("pass word with spaces", True),
        ("🦉🦊🐻🐼🐨🐯🦁🐮", True),
        ("x7" * 64, True),
        ("x7" * 64 + "x", False),
        ("🦉" * 127 + "xy", False),
        ("nul\x00 in the middle", False),
        ("lone \ud800 surrogate", False),
        ("password1", False),
        ("iloveyou", False),
        ("aaaaaaaaaaaa", False),
        ("ada@example.com", False),
        ("Reelwright2026!", False),
    ],
)
async def test_s20_s21_passwords_are_long_enough_uncommon_and_nobodys_name(
    web: httpx.AsyncClient, *, password: str, works: bool
) -> None:
    body = json.dumps(ADA | {"password": password}).encode()
    answer = await web.post("/v1/auth/register", content=body, headers={"Content-Type": "application/json"})
    if works:
        assert answer.status_code == 202
    else:
        assert answer.status_code == 400
        assert answer.json()["code"] in {"accounts.password_refused", "request.invalid"}
        assert password[:20] not in answer.text


async def test_s20_a_megabyte_of_password_is_refused_unread(web: httpx.AsyncClient) -> None:
    assert (await web.post("/v1/auth/register", json=ADA | {"password": "x" * 1_000_000})).status_code == 413
    assert told(await web.post("/v1/auth/login", json=ADA | {"password": "é" * 600})) == (
        400,
        "accounts.password_refused",
    )


async def test_a_password_is_the_same_however_its_accents_are_spelt(web: httpx.AsyncClient, letters: Letters) -> None:
    await web.post("/v1/auth/register", json=ADA | {"password": "cafe\u0301 au lait"})
    (letter,) = await letters()
    await web.post("/v1/auth/verify", json={"token": token_in(letter)})
    assert (await web.post("/v1/auth/login", json=ADA | {"password": "caf\u00e9 au lait"})).status_code == 200


async def test_an_address_that_nobody_confirms_is_free_after_a_week(web: httpx.AsyncClient, db: Database) -> None:
    await web.post("/v1/auth/register", json=ADA)
    assert await identity.forget_sign_ins(db=db) == 0
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET created_at = now() - interval '8 days'"))
    assert await identity.forget_sign_ins(db=db) == 1
    assert await asked(db, "SELECT count(*) FROM users WHERE email LIKE '%ada%' OR deleted_at IS NULL") == [(0,)]
