"""Is it alive, is it ready, what does it count: for operators and their machines."""

import asyncio
import functools
import hmac
import ipaddress
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from litestar import MediaType, Response, get
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.handlers.base import BaseRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from reelwright.admission import Gate
from reelwright.api.methods import public_read
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database

_PATIENCE_S = 2
"""A load balancer asks every few seconds, and a server that hangs is away too."""
_LEAST_FREE_BYTES = 512 * 1024 * 1024
"""What the files of a few renderings under way may take."""
_PROXIED = ("forwarded", "via", "x-forwarded-for", "x-real-ip", "fly-client-ip", "cf-connecting-ip")
"""A proxy on this machine asks from loopback for people who are elsewhere; all known ones say so."""


@public_read("/health/live", tags=["operations"])
async def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@public_read("/health/ready", tags=["operations"])
async def ready(
    db: NamedDependency[Database], gate: NamedDependency[Gate], stopping: NamedDependency[asyncio.Event], state: State
) -> Response[dict[str, Any]]:
    """Say whether traffic may come, 200 or 503: not to a process that is going, or whose PostgreSQL is away.

    Nor to a worker whose Redis is away or whose disk is full. The API goes on without Redis, `degraded`: it reads,
    quotes and hears from Stripe, and takes no paid work. `status` is ok, degraded, unavailable or draining; `checks`
    says ok or unavailable of each server, and of a worker's disk.
    """
    asked: dict[str, Callable[[], Awaitable[None]]] = {"postgresql": db.ping, "redis": gate.ping}
    if room := state.get("room"):
        asked["disk"] = functools.partial(_has_room, room.workspace)
    answers = await asyncio.gather(*(_answers(ping) for ping in asked.values()))
    checks = {name: "ok" if good else "unavailable" for name, good in zip(asked, answers, strict=True)}
    away = {name for name, good in zip(asked, answers, strict=True) if not good}
    status = "ok" if not away else "degraded" if not room and away == {"redis"} else "unavailable"
    if stopping.is_set():
        status = "draining"
    return Response({"status": status, "checks": checks}, status_code=200 if status in {"ok", "degraded"} else 503)


async def _has_room(workspace: Path) -> None:
    """Raises Outage."""
    try:
        free = await asyncio.to_thread(shutil.disk_usage, workspace)
    except OSError as unusable:
        raise Outage("The worker's folder can't be used.", code="worker.no_workspace") from unusable
    if free.free < _LEAST_FREE_BYTES:
        raise Outage("The worker's disk is full.", code="worker.disk_full")


async def _answers(ping: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await ping()
    except (Outage, TimeoutError):
        return False
    return True


async def operators_only(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let in whoever sends the operator's token; where none is set, who asks from this machine, past no proxy.

    Raises NotFoundException: to all others there is no such page.
    """
    token: str | None = connection.app.state.metrics_token
    if token is None:
        allowed = _is_loopback(connection) and not any(name in connection.headers for name in _PROXIED)
    else:
        sent = connection.headers.get("authorization", "").encode()
        allowed = hmac.compare_digest(sent, f"Bearer {token}".encode())
    if not allowed:
        raise NotFoundException


def _is_loopback(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    try:
        return connection.client is not None and ipaddress.ip_address(connection.client.host).is_loopback
    except ValueError:
        return False


@get("/metrics", include_in_schema=False, media_type=MediaType.TEXT, opt={"public": True}, guards=[operators_only])
async def metrics() -> Response[bytes]:
    """Return this process's counters for Prometheus."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
