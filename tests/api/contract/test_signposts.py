"""Where letters' buttons lead: a page that names calls which there are, and that tells a stranger nothing."""

import re
from html import unescape
from uuid import UUID

import httpx

from reelwright.api.operations import operations
from reelwright.api.signposts import signposts
from reelwright.app import create_app
from reelwright.notices.letters import Links
from tests.api.snapshot import NOWHERE

BASE, DRAFT = "https://reel.example", UUID(int=7)
LINKS = Links(BASE)
LED_TO = [getattr(LINKS, name).removeprefix(BASE) for name, kind in vars(Links).items() if isinstance(kind, property)]
PATHS = sorted({*LED_TO, LINKS.draft(DRAFT).removeprefix(BASE), LINKS.draft("no id").removeprefix(BASE)})


async def test_every_button_of_a_letter_leads_to_a_page(nobody: httpx.AsyncClient) -> None:
    assert len(PATHS) > 8
    for path in PATHS:
        answer = await nobody.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert "<h1>" in answer.text


async def test_the_calls_on_the_pages_are_in_the_contract(nobody: httpx.AsyncClient) -> None:
    known = [(one.method, re.sub(r"\{[^}]+\}", "[^/]+", one.path)) for one in operations(create_app(NOWHERE))]
    seen = 0
    for handler in signposts:
        path = next(iter(handler.paths)).replace("{draft_id:uuid}", str(DRAFT))
        shown = unescape((await nobody.get(path)).text)
        for call in re.findall(r"<pre><code>(.*?)</code></pre>", shown, flags=re.DOTALL):
            told = re.match(r'curl (?:-X (\S+) )?"\$BASE(\S+)"', call)
            assert told is not None, call
            method = told[1] or ("POST" if " -d " in call or "Idempotency-Key" in call else "GET")
            assert any(method == each and re.fullmatch(pattern, told[2]) for each, pattern in known), call
            seen += 1
    assert seen > 15
