"""The fuzz with whom and what it asks, everybody who may knock, and somebody without a key."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

from reelwright.ground.postgres import Database
from tests.api.callers import Callers, everybody
from tests.api.contract import asked
from tests.api.fuzzing import Fuzz
from tests.api.payments.conftest import paying_app, stripe
from tests.api.snapshot import present

__all__ = ["paying_app", "stripe"]


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return present()


@pytest.fixture
async def anyone(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that says nothing about itself."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
async def callers(app: Litestar, db: Database) -> Callers:
    return await everybody(app, db)


@pytest.fixture
async def fuzz(paying_app: Litestar, app: Litestar, document: dict[str, Any], redis: Any) -> AsyncGenerator[Fuzz]:
    """Nobody is there yet. `app` empties rows and Redis after the test."""
    made = Fuzz(paying_app, document, redis)
    yield made
    await made.client.aclose()


@pytest.fixture
def meet(
    fuzz: Fuzz, anyone: httpx.AsyncClient, db: Database, redis: Any, tmp_path: Path
) -> Callable[[int], Awaitable[None]]:
    """Give the fuzz people of its own for this turn, and one of everything that paths name."""

    async def met(turn: int) -> None:
        callers = await everybody(fuzz.app, db, called=f"turn-{turn}")
        ids = await asked.things(anyone, callers, db, fuzz.app, redis, tmp_path)
        fuzz.roles, fuzz.known = await asked.roles(callers, fuzz.app), ids
        fuzz.instead, fuzz.bodies = asked.instead(ids), asked.bodies(callers, ids)

    return met


@pytest.fixture
def nobody(api: httpx.AsyncClient) -> httpx.AsyncClient:
    """Send requests without a key."""
    del api.headers["Authorization"]
    return api
