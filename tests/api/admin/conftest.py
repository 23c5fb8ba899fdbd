"""An administrator, and a client that is theirs."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from litestar import Litestar

from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import onboarding
from tests.api.conftest import Person


@pytest.fixture
async def admin(db: Database) -> Person:
    welcome = await onboarding.create_user(
        email="admin@example.com", plan=Plan.PRO, role="admin", live=False, db=db, now=clock.now()
    )
    return Person(str(welcome.account.id), welcome.secret)


@pytest.fixture
async def office(app: Litestar, admin: Person) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=admin.headers) as client:
        yield client
