"""The API process: settings → pools → Litestar."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from litestar import Litestar
from litestar.di import Provide
from litestar.routes import HTTPRoute

from reelwright import api, serving
from reelwright.accounts import Passwords
from reelwright.ground.sealing import Seal
from reelwright.journeys.creation import Terms
from reelwright.notices import Reach
from reelwright.settings import Settings
from reelwright.wiring import stage_places, wired


def create_app(settings: Settings, *, stopping: asyncio.Event | None = None) -> Litestar:
    """Return the API. `stopping`, once set, ends open event streams."""
    stop = stopping or asyncio.Event()
    terms = Terms(places=stage_places(settings), deadline=settings.generation_deadline)
    allowlist = frozenset(settings.ingestion_allowlist)
    reach = Reach(https_only=settings.production, allowlist=frozenset(settings.webhook_allowlist))

    seal = Seal(settings.secret_key, previous=settings.secret_key_previous)
    entrance = entrance_by(settings, seal)
    passwords = Passwords(memory_kib=settings.password_memory_kib)

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        async with wired(settings, name="api") as wiring:
            app.state.entrance = entrance
            app.state.db = wiring.db
            app.state.gate = wiring.gate
            app.state.storage = wiring.storage
            app.state.stripe = wiring.stripe
            app.state.recorder = wiring.recorder
            yield

    app = Litestar(
        route_handlers=[api.v1, *api.operator_routes, *api.public_routes],
        dependencies={
            "db": Provide(lambda: app.state.db, sync_to_thread=False),
            "gate": Provide(lambda: app.state.gate, sync_to_thread=False),
            "storage": Provide(lambda: app.state.storage, sync_to_thread=False),
            "stripe": Provide(lambda: app.state.stripe, sync_to_thread=False),
            "terms": Provide(lambda: terms, sync_to_thread=False),
            "allowlist": Provide(lambda: allowlist, sync_to_thread=False),
            "reach": Provide(lambda: reach, sync_to_thread=False),
            "seal": Provide(lambda: seal, sync_to_thread=False),
            "base_url": Provide(lambda: settings.base_url, sync_to_thread=False),
            "entrance": Provide(lambda: entrance, sync_to_thread=False),
            "passwords": Provide(lambda: passwords, sync_to_thread=False),
            "stopping": Provide(lambda: stop, sync_to_thread=False),
        },
        lifespan=[lifespan],
        before_request=api.options_answered,
        exception_handlers=api.HANDLERS,
        request_max_body_size=api.BODY_LIMIT,
        openapi_config=None,  # api/pages.py serves a truer one
        logging_config=None,
        debug=False,
    )
    _one_by_one(app)
    return serving.guarded(app, settings, settings.base_url)


def _one_by_one(app: Litestar) -> None:
    """Let dependencies be handed over in turn: none of them waits for anything, and a task for each costs more.

    Litestar resolves those that don't need each other in a task group, six tasks for an order.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, wanted in route.route_handler_map.values():
                wanted.dependency_batches = [{each} for batch in wanted.dependency_batches for each in batch]


def entrance_by(settings: Settings, seal: Seal) -> api.Entrance:
    """Return what the door knows about where it stands, as the settings say. Raises SettingRefused."""
    return api.Entrance.of(
        seal,
        production=settings.production,
        base_url=settings.base_url,
        origins=settings.cors_origins,
        proxies=settings.trusted_proxies,
        client_header=settings.client_address_header,
    )


def main() -> None:
    """Serve from the command line."""
    serving.command(
        lambda settings, stopping: create_app(settings, stopping=stopping),
        prog="python -m reelwright.app",
        about="Serve the REST API.",
        port=8000,
    )


if __name__ == "__main__":
    main()
