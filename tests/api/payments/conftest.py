"""An API that takes payments by a simulated Stripe, which sends it nothing by itself; and one that takes none."""

from collections.abc import AsyncGenerator

import httpx
import msgspec
import pytest
from litestar import Litestar

from reelwright.app import create_app
from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import Person, living
from tests.simulators.stripe import SECRET_KEY, WEBHOOK_SECRET, SimulatedStripe, simulated_stripe

NEXT_SECRET = "whsec_the_one_that_comes_next"


@pytest.fixture(scope="package")
async def stripe() -> AsyncGenerator[SimulatedStripe]:
    async with simulated_stripe() as made:
        yield made


@pytest.fixture(scope="package")
async def paying_app(settings: Settings, stripe: SimulatedStripe) -> AsyncGenerator[Litestar]:
    keys = {"stripe_secret_key": SECRET_KEY, "stripe_webhook_secret": WEBHOOK_SECRET, "stripe_api_url": stripe.url}
    keys["stripe_webhook_secret_next"] = NEXT_SECRET
    async with living(create_app(msgspec.structs.replace(settings, **keys))) as made:
        yield made


@pytest.fixture
async def shop(paying_app: Litestar, app: Litestar, user: Person, db: Database) -> AsyncGenerator[httpx.AsyncClient]:
    """The user at an API that takes payments. `app` empties rows and Redis after the test."""
    transport = httpx.ASGITransport(app=paying_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=user.headers) as client:
        yield client
