"""A forgotten password: a letter that is worth one new one, for an hour, to whoever reads its address's mail."""

from datetime import timedelta

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from tests.api.auth.conftest import Letters, token_in, told, words
from tests.api.callers import PASSWORD, a_browser, a_key, an_account

NEW = "another long pass phrase"
CONFIRM = "/v1/auth/password-reset/confirm"


@pytest.fixture
async def ada(db: Database) -> Account:
    return await an_account(db, "ada")


async def asked(web: httpx.AsyncClient, letters: Letters, **headers: str) -> str:
    """Ask for a reset; return its token."""
    answer = await web.post("/v1/auth/password-reset", json={"email": "ada@example.com"}, headers=headers)
    assert answer.status_code == 202
    (letter,) = await letters()
    assert f"https://reel.example/password-reset/confirm?token={token_in(letter)}" in words(letter)
    return token_in(letter)


async def test_s26_a_reset_ends_every_session_and_every_other_letter(
    web: httpx.AsyncClient, letters: Letters, app: Litestar, db: Database, ada: Account
) -> None:
    browser, key = await a_browser(app, db, ada), await a_key(db, ada)
    other, token = await asked(web, letters), await asked(web, letters)

    assert (await web.post(CONFIRM, json={"token": token, "password": NEW})).status_code == 204

    assert (await web.get("/v1/me", headers=browser.headers)).status_code == 401
    assert (await web.get("/v1/me", headers=key)).status_code == 200
    for used in (token, other):
        answer = await web.post(CONFIRM, json={"token": used, "password": PASSWORD})
        assert told(answer) == (400, "auth.token_invalid")
    login = {"email": "ada@example.com", "password": PASSWORD}
    assert (await web.post("/v1/auth/login", json=login)).status_code == 401
    assert (await web.post("/v1/auth/login", json=login | {"password": NEW})).status_code == 200
    assert [letter["Subject"] for letter in await letters()] == ["Your password was changed"]


async def test_s26_a_change_by_the_owner_ends_letters_under_way(
    web: httpx.AsyncClient, letters: Letters, db: Database, ada: Account
) -> None:
    token = await asked(web, letters)
    change = {"current_password": PASSWORD, "password": NEW}
    assert (await web.patch("/v1/me", json=change, headers=await a_key(db, ada))).status_code == 200
    answer = await web.post(CONFIRM, json={"token": token, "password": PASSWORD})
    assert told(answer) == (400, "auth.token_invalid")


async def test_s26_a_token_lasts_an_hour_by_signature_and_by_row(
    web: httpx.AsyncClient, letters: Letters, db: Database, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await asked(web, letters)
    real = clock.now
    with monkeypatch.context() as later:
        later.setattr(clock, "now", lambda: real() + timedelta(hours=1, seconds=1))
        assert told(await web.post(CONFIRM, json={"token": token, "password": NEW})) == (400, "auth.token_invalid")
    async with db.begin() as tx:
        lasts = await tx.scalar(text("SELECT expires_at - created_at FROM email_proofs"))
        await tx.execute(text("UPDATE email_proofs SET expires_at = now()"))
    assert lasts == timedelta(hours=1)
    assert told(await web.post(CONFIRM, json={"token": token, "password": NEW})) == (400, "auth.token_invalid")


async def test_s26_s27_a_token_of_another_purpose_or_an_altered_one_opens_nothing(
    web: httpx.AsyncClient, letters: Letters, app: Litestar, ada: Account
) -> None:
    reset = await asked(web, letters)
    await web.post("/v1/auth/register", json={"email": "new@example.com", "password": NEW})
    (letter,) = await letters()
    verify = token_in(letter)
    assert told(await web.post("/v1/auth/verify", json={"token": reset})) == (400, "auth.token_invalid")
    body, _, mac = reset.partition(".")
    wrong = [verify, body, f"{body}.", f".{mac}", f"{body}.{mac[::-1]}", f"{body[::-1]}.{mac}", reset + "A", "x"]
    wrong.append(app.state.entrance.seal.signed("password reset", b"short", until=clock.now() + timedelta(hours=1)))
    for token in wrong:
        answer = await web.post(CONFIRM, json={"token": token, "password": NEW})
        assert told(answer) == (400, "auth.token_invalid"), token


async def test_s26_the_request_shapes_no_link_and_nothing_stored_lets_anybody_in(
    web: httpx.AsyncClient, letters: Letters, db: Database, ada: Account
) -> None:
    named = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "Forwarded": "host=evil.example"}
    await web.post("/v1/auth/password-reset", json={"email": "ada@example.com"}, headers=named)
    (letter,) = await letters()
    assert "evil.example" not in letter.as_string()
    token = token_in(letter)
    assert token in letter.as_string().split(), "whoever reads the raw file finds it in one piece"
    async with db.begin() as tx:
        stored = str((await tx.execute(text("SELECT notices::text FROM notices"))).all())
        stored += str((await tx.execute(text("SELECT email_proofs::text FROM email_proofs"))).all())
    assert stored
    assert token not in stored
    assert token.partition(".")[2] not in stored


async def test_a_weak_new_password_leaves_the_token_good(
    web: httpx.AsyncClient, letters: Letters, ada: Account
) -> None:
    token = await asked(web, letters)
    answer = await web.post(CONFIRM, json={"token": token, "password": "ada@example.com"})
    assert told(answer) == (400, "accounts.password_refused")
    assert (await web.post(CONFIRM, json={"token": token, "password": NEW})).status_code == 204


async def test_demo_accounts_get_their_letters_too(
    web: httpx.AsyncClient, letters: Letters, db: Database, ada: Account
) -> None:
    async with db.begin() as tx:
        await tx.execute(text("UPDATE users SET demo = true"))
    token = await asked(web, letters)
    assert (await web.post(CONFIRM, json={"token": token, "password": NEW})).status_code == 204
    begun = await web.post("/v1/auth/login", json={"email": "ada@example.com", "password": NEW})
    assert begun.json()["account"]["demo"] is True
