"""Somebody whom nobody knows, over https, as browsers keep our cookies; and their letters."""

import email
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from reelwright.ground.postgres import Database
from reelwright.journeys import notifying
from reelwright.notices import Post, Reach

Letters = Callable[[], Awaitable[list[EmailMessage]]]
TOKEN = re.compile(r"^(\S{70,})\s*$", re.MULTILINE)


@pytest.fixture
async def web(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://api") as client:
        yield client


@pytest.fixture
def letters(app: Litestar, db: Database, tmp_path: Path) -> Letters:
    """Send what waits, and return the letters that came of it."""
    post = Post(base_url="https://reel.example", reach=Reach(), folder=str(tmp_path), seal=app.state.entrance.seal)

    async def arrived() -> list[EmailMessage]:
        await notifying.send(db=db, post=post)
        found = []
        for file in sorted(tmp_path.iterdir()):  # noqa: ASYNC240 - a folder of a test's
            message = email.message_from_bytes(file.read_bytes(), policy=default)
            assert isinstance(message, EmailMessage)
            found.append(message)
            file.unlink()
        return found

    return arrived


def words(message: EmailMessage) -> str:
    plain = message.get_body(("plain",))
    assert plain is not None
    return plain.get_content()


def token_in(message: EmailMessage) -> str:
    found = TOKEN.search(words(message))
    assert found is not None
    return found[1]


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
