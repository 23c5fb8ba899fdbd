"""API and worker with one pair of settings and all the real stages: what is queued comes as signed deliveries."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import msgspec
from sqlalchemy import text

from reelwright import outbox
from reelwright.app import create_app as api_app
from reelwright.dev.credentials import Credentials
from reelwright.generations import Stage, Unit
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import creation
from reelwright.settings import Settings
from tests.api.conftest import Person, living
from tests.api.working import QUEUED
from tests.simulators.pages import Pages
from worker.app import create_app as worker_app

_MOST = 200  # deliveries: more, and a generation never ends


@dataclass(frozen=True)
class Producing:
    """Whoever orders over REST, and the worker that does what was ordered."""

    api: httpx.AsyncClient
    worker: httpx.AsyncClient
    settings: Settings
    db: Database

    async def order(self, path: str = "/v1/create", **body: object) -> str:
        """Order it and return the generation."""
        accepted = await self.api.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        assert accepted.status_code == 202, accepted.text
        return accepted.json()["generation_id"]

    async def ordered(self, path: str = "/v1/create", **body: object) -> dict[str, Any]:
        """Order it, let the worker do all of it, and return the generation as its owner sees it."""
        generation = await self.order(path, **body)
        await self.worked()
        return await self.seen(generation)

    async def seen(self, generation: str) -> dict[str, Any]:
        return (await self.api.get(f"/v1/generations/{generation}")).json()

    def ours(self, *servers: Pages) -> set[str]:
        """Return where the two may connect to: their own servers and these."""
        own = [
            urlsplit(url or "")
            for url in (self.settings.database_url, self.settings.redis_url, self.settings.qstash_url)
        ]
        return {f"{one.hostname}:{one.port}" for one in own} | {f"127.0.0.1:{server.port}" for server in servers}

    async def worked(self) -> None:
        """Deliver what is queued until nothing is."""
        for _ in range(_MOST):
            async with self.db.begin() as tx:
                await tx.execute(text("UPDATE stage_runs SET next_attempt_at = now() WHERE state = 'queued'"))
                rows = (await tx.execute(QUEUED)).all()
            if not rows:
                return
            await asyncio.gather(*map(self._delivered, rows))
        raise AssertionError("it never ends")

    async def _delivered(self, row: Any) -> None:
        unit = Unit(stage=Stage(row.stage), scene=row.scene, chunk=row.chunk, round=row.round)
        body = outbox.encoded(creation.due(GenerationId(row.generation_id), unit, request_id=None))
        signing = Credentials(token="t", current=self.settings.qstash_current_signing_key, next="")
        signature = signing.signature(url=self.settings.worker_url.rstrip("/") + outbox.GENERATE, body=body)
        answer = await self.worker.post(outbox.GENERATE, content=body, headers={"Upstash-Signature": signature})
        assert answer.status_code in {204, 503}, answer.status_code

    async def made(self, path: str, **body: object) -> dict[str, Any]:
        answer = await self.api.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def changed(self, path: str, **body: object) -> None:
        answer = await self.api.patch(path, json=body)
        assert answer.status_code == 200, answer.text

    async def verdicts(self, generation: str) -> dict[tuple[int, int], dict[str, Any]]:
        """Return what was found of each scene's pictures, by scene and round."""
        answer = await self.api.get("/v1/stage-runs", params={"generation_id": generation, "limit": 100})
        return {(run["scene"], run["round"]): run["check"] for run in answer.json()["stage_runs"] if run["check"]}

    async def file(self, generation: str, name: str) -> str:
        """Return one of a reel's side files, as its owner fetches it."""
        answer = await self.api.get(f"/v1/generations/{generation}/{name}")
        assert answer.status_code == 200, answer.text
        return answer.text

    async def balance(self) -> dict[str, Any]:
        return (await self.api.get("/v1/credits/balance")).json()


@asynccontextmanager
async def producing(
    person: Person, db: Database, settings: Settings, folder: Path, **changes: object
) -> AsyncGenerator[Producing]:
    """Run both with the tests' settings, but for `changes`, for this person."""
    known: dict[str, Any] = {"workspace": str(folder / "work"), "storage_url": f"file://{folder}/kept", **changes}
    own = msgspec.structs.replace(settings, **known)
    async with living(api_app(own)) as api, living(worker_app(own)) as worker:
        ways: list[Any] = [httpx.ASGITransport(app=app, raise_app_exceptions=False) for app in (api, worker)]
        async with (
            httpx.AsyncClient(transport=ways[0], base_url="http://api", headers=person.headers) as asking,
            httpx.AsyncClient(transport=ways[1], base_url="http://worker") as queue,
        ):
            yield Producing(asking, queue, own, db)
