"""Who asks whether traffic may come is told the truth: also by a process that is going, or whose server hangs."""

import asyncio

import httpx
import msgspec
from litestar import Litestar

from reelwright.app import create_app
from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import living
from tests.chaos.proxy import proxied


async def _ready(app: Litestar) -> tuple[int, dict[str, object]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
        answer = await client.get("/health/ready")
    return answer.status_code, answer.json()


async def test_a_process_that_is_going_is_not_ready(settings: Settings, db: Database, redis: object) -> None:
    """Before it refuses anybody, the load balancer must know."""
    stopping = asyncio.Event()
    async with living(create_app(settings, stopping=stopping)) as app:
        assert await _ready(app) == (200, {"status": "ok", "checks": {"postgresql": "ok", "redis": "ok"}})
        stopping.set()
        assert await _ready(app) == (503, {"status": "draining", "checks": {"postgresql": "ok", "redis": "ok"}})


async def test_a_server_that_hangs_is_away(settings: Settings, db: Database, redis: object) -> None:
    """A network that swallows everything is no error for minutes: readiness waits two seconds."""
    port = int(settings.database_url.rpartition(":")[2].partition("/")[0])
    async with proxied("127.0.0.1", port) as line:
        url = settings.database_url.replace(f":{port}/", f":{line.listens_on}/")
        async with living(create_app(msgspec.structs.replace(settings, database_url=url))) as app:
            assert (await _ready(app))[0] == 200
            line.pause()
            status, told = await _ready(app)
            line.resume()
    assert (status, told["checks"]) == (503, {"postgresql": "unavailable", "redis": "ok"})
