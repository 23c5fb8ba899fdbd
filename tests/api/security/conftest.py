"""Nobody, an administrator, and a reel of the first user's whose files are there."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from litestar import Litestar

from tests.api.admin.conftest import admin, office

__all__ = ["admin", "office"]


@pytest.fixture
async def anyone(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that says nothing about itself."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
async def order(api: httpx.AsyncClient) -> dict[str, str]:
    """What `POST /v1/create` answered to the first user."""
    answer = await api.post("/v1/create", json={"topic": "Why do cats purr?"}, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 202, answer.text
    return answer.json()
