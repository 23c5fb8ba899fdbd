"""Is it alive, is it ready, what does it count: for operators and their machines."""

from typing import Any

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from reelwright.admission import Gate
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database


@get("/health/live", include_in_schema=True, tags=["operations"], opt={"public": True})
async def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@get("/health/ready", tags=["operations"], opt={"public": True})
async def ready(db: NamedDependency[Database], gate: NamedDependency[Gate]) -> Response[dict[str, Any]]:
    """Say whether PostgreSQL and Redis answer, so that traffic may come: 200 or 503."""
    checks: dict[str, str] = {}
    for name, asked in (("postgresql", db.ping), ("redis", gate.ping)):
        try:
            await asked()
            checks[name] = "ok"
        except Outage:
            checks[name] = "unavailable"
    good = set(checks.values()) == {"ok"}
    return Response({"status": "ok" if good else "unavailable", "checks": checks}, status_code=200 if good else 503)


@get("/metrics", include_in_schema=False, media_type=MediaType.TEXT, opt={"public": True})
async def metrics() -> Response[bytes]:
    """Return this process's counters for Prometheus."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
