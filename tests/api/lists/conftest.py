"""A client, everybody who asks, and each list's table filled."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from litestar import Litestar

from reelwright.ground.postgres import Database
from tests.api.callers import Callers, everybody
from tests.api.lists.filling import fill
from tests.api.security.objects import objects


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as made:
        yield made


@pytest.fixture
async def ids(client: httpx.AsyncClient, callers: Callers, db: Database) -> dict[str, str]:
    """What paths name of the first user's, whose lists are long."""
    made = await objects(client, callers, db)
    async with db.begin() as tx:
        await fill(tx, owner=callers.user_account.id, other=callers.other_account.id, of=made)
    return made
