"""A written draft of the caller's, and a way to ask for another go at it."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import httpx
import pytest

from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person
from tests.builders import WrittenDraft, a_written_draft

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def written(db: Database, user: Person) -> WrittenDraft:
    return await a_written_draft(db, AccountId(UUID(user.account_id)))


@pytest.fixture
def ask(api: httpx.AsyncClient, written: WrittenDraft) -> Ask:
    """Regenerate a part of the written draft, by a new key unless one is given."""

    async def send(
        part: str, *, key: str | None = None, query: dict[str, str] | None = None, **fields: object
    ) -> httpx.Response:
        body = {"draft_id": str(written.draft), "part": part} | fields
        headers = {"Idempotency-Key": key or uuid4().hex}
        return await api.post("/v1/regenerate", json=body, headers=headers, params=query)

    return send
