"""The pages that letters link to: whoever clicks succeeds by a plain form, and a mere look changes nothing."""

import re
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.auth.conftest import Letters, words
from tests.api.callers import PASSWORD, an_account

NEW = "another long pass phrase"
LINK = re.compile(r"https://reel\.example(/\S+)")
BROWSER = {"Origin": "https://api", "Sec-Fetch-Site": "same-origin"}


async def clicked(web: httpx.AsyncClient, letters: Letters) -> str:
    """Return the address of the page that the newest letter links to."""
    (letter,) = await letters()
    found = LINK.search(words(letter))
    assert found is not None
    return found[1]


async def submitted(web: httpx.AsyncClient, shown: httpx.Response, **filled: str) -> httpx.Response:
    """Fill in the page's only form, and send it as a browser does."""
    (action,) = re.findall(r'<form method="post" action="([^"]+)">', shown.text)
    hidden = {
        name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="(.*?)"', shown.text)
    }
    wanted = set(re.findall(r'<input [^>]*name="(\w+)"', shown.text)) - set(hidden)
    assert wanted == set(filled)
    return await web.post(action, data=hidden | filled, headers=BROWSER)


async def test_whoever_signs_up_follows_the_letter_and_is_in(web: httpx.AsyncClient, letters: Letters) -> None:
    person = {"email": "new@example.com", "password": PASSWORD}
    await web.post("/v1/auth/register", json=person)
    address = await clicked(web, letters)

    for _ in range(2):  # a mail scanner's look first
        shown = await web.get(address)
        assert (shown.status_code, "Confirm my address" in shown.text) == (200, True)
    assert (await web.post("/v1/auth/login", json=person)).status_code == 401
    done = await submitted(web, shown)

    assert done.status_code == 200
    assert "new@example.com</strong> is confirmed" in done.text
    assert (await web.post("/v1/auth/login", json=person)).status_code == 200
    again = await submitted(web, shown)
    assert (again.status_code, 'role="alert"' in again.text) == (400, True)


async def test_a_forgotten_password_is_replaced_by_pages_alone(
    web: httpx.AsyncClient, letters: Letters, db: Database
) -> None:
    await an_account(db, "ada")
    asked = await submitted(web, await web.get("/password-reset"), email="ada@example.com")
    nobody = await submitted(web, await web.get("/password-reset"), email="eve@example.com")
    assert (asked.status_code, nobody.status_code) == (202, 202)
    assert asked.text == nobody.text.replace("eve@", "ada@")
    shown = await web.get(await clicked(web, letters))

    weak = await submitted(web, shown, password="password")
    assert (weak.status_code, 'role="alert"' in weak.text) == (400, True)
    done = await submitted(web, weak, password=NEW)

    assert (done.status_code, "is changed" in done.text) == (200, True)
    login = {"email": "ada@example.com", "password": NEW}
    assert (await web.post("/v1/auth/login", json=login)).status_code == 200
    over = await submitted(web, shown, password=NEW)
    assert (over.status_code, 'href="/password-reset"' in over.text) == (400, True)


@pytest.mark.parametrize("path", ["/verify", "/password-reset", "/password-reset/confirm"])
async def test_s73_pages_run_nothing_load_little_and_are_kept_nowhere(web: httpx.AsyncClient, path: str) -> None:
    shown = await web.get(path, params={"token": '"><script>alert(1)</script>'})
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self';")
    assert "frame-ancestors 'none'" in policy
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
    assert "<script" not in shown.text
    loaded = re.findall(r'(?:href|src)="([^"]+)"', shown.text)
    assert [urlsplit(one).netloc for one in loaded] == [""] * len(loaded)
    assert (await web.get(loaded[0])).headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/verify", "/password-reset/confirm"])
async def test_a_link_that_was_cut_short_says_so(web: httpx.AsyncClient, path: str) -> None:
    for query in ("", "?token=", "?token=" + "x" * 201):
        shown = await web.get(path + query)
        assert (shown.status_code, "copy all of it" in shown.text) == (400, True)


@pytest.mark.parametrize("path", ["/verify", "/password-reset", "/password-reset/confirm"])
async def test_s71_forms_of_other_sites_and_odd_bodies_are_turned_away(
    web: httpx.AsyncClient, path: str, db: Database
) -> None:
    await an_account(db, "ada")
    form = {"token": "x", "password": NEW} if "confirm" in path else {"email": "ada@example.com"}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await web.post(path, data=form, headers=headers)).status_code == 403
    assert (await web.post(path, json=form)).status_code == 415
    assert (await web.post(path, files={"token": b"x"})).status_code == 415
    odd = "application/x-www-form-urlencoded"
    for body, status in ((b"", 400), (b"token=%00%ff&email=%00&password=%00", 400), (b"a=1&" * 10_000, 413)):
        answer = await web.post(path, content=body, headers={"Content-Type": odd})
        assert answer.status_code == status, (body[:20], answer.text)
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM email_proofs")) == 0
