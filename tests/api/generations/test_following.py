"""Following a generation: numbered events, resumed behind any, few streams at a time, none for who was shut out."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from reelwright.api import following
from reelwright.generations import Generations, GenerationState
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from tests.api.conftest import Person


class Ear:
    """One open stream: its status and what it has said, read as it comes."""

    def __init__(self) -> None:
        self.status = 0
        self.said = ""
        self.over = False
        self._heard = asyncio.Event()
        self._gone = asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.said += message.get("body", b"").decode()
            self.over = not message.get("more_body", False)
        self._heard.set()

    def leave(self) -> None:
        self._gone.set()

    async def until(self, words: str) -> None:
        """Wait for these words, or for the end."""
        await self._wait(lambda: words in self.said or self.over)
        assert words in self.said, self.said

    async def end(self) -> None:
        """Wait for the server to end it."""
        await self._wait(lambda: self.over)

    async def _wait(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not met():
                self._heard.clear()
                await self._heard.wait()


@asynccontextmanager
async def stream(
    app: Litestar, who: Person | None, generation: str, *, last: str | None = None, ticket: str = "", query: str = ""
) -> AsyncGenerator[Ear]:
    """Open a stream, and close it as a client does: by somebody's key, or by a ticket."""
    headers = [(b"host", b"api")]
    if who is not None:
        headers.append((b"authorization", f"Bearer {who.secret}".encode()))
    if last is not None:
        headers.append((b"last-event-id", last.encode("latin-1")))
    path = f"/v1/generations/{generation}/events" + (f"/{ticket}" if ticket else "")
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("api", 80),
        "state": {},
    }
    ear = Ear()
    running = asyncio.create_task(app(scope, ear.receive, ear.send))  # type: ignore[arg-type]
    try:
        yield ear
    finally:
        ear.leave()
        with suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(running, 20)


@pytest.fixture
async def generation(api: httpx.AsyncClient) -> str:
    answer = await api.post("/v1/create", json={"topic": "Why do cats purr?"}, headers={"Idempotency-Key": "k"})
    return answer.json()["generation_id"]


async def note(db: Database, generation: str, kind: str) -> None:
    async with db.begin() as tx:
        await Generations(session=tx).note(GenerationId(UUID(generation)), kind, {})


async def test_events_come_in_order_and_go_on_behind_the_last(
    app: Litestar, user: Person, generation: str, db: Database
) -> None:
    async with stream(app, user, generation) as ear:
        await ear.until("event: progress")
        await note(db, generation, "paused")
        await ear.until("id: 2\nevent: paused\n")
        assert ear.said.index("id: 1\nevent: queued") < ear.said.index("id: 2")
    async with stream(app, user, generation, last="1") as ear:
        await ear.until("id: 2\n")
        assert "id: 1\n" not in ear.said
        async with db.begin() as tx:
            await Generations(session=tx).finish(GenerationId(UUID(generation)), GenerationState.CANCELLED)
            await Generations(session=tx).note(GenerationId(UUID(generation)), "cancelled", {})
        await ear.until("event: cancelled")
        await ear.end()
    assert following._TAKEN == {}


@pytest.mark.parametrize(
    "last", ["-1", "1 OR 1=1", "9" * 400, "1e9", "\xb2", "0x1", "", "'; DROP TABLE users;--", "1\x00"]
)
async def test_s94_a_hostile_last_event_id_is_no_id(last: str, app: Litestar, user: Person, generation: str) -> None:
    async with stream(app, user, generation, last=last) as ear:
        await ear.until("id: 1\nevent: queued")
        assert ear.status == 200


async def test_an_id_from_the_future_tells_nothing_twice(app: Litestar, user: Person, generation: str) -> None:
    async with stream(app, user, generation, last="999999999999") as ear:
        await ear.until("event: progress")
        assert "id: " not in ear.said


async def test_s45_a_few_streams_at_a_time_for_each_account(
    app: Litestar, user: Person, stranger: Person, generation: str, api: httpx.AsyncClient
) -> None:
    """Those that are closed, and those that were refused, take no place."""
    path = f"/v1/generations/{generation}/events"
    open_ones = [stream(app, user, generation) for _ in range(following.MOST_STREAMS)]
    ears = [await one.__aenter__() for one in open_ones]
    for ear in ears:
        await ear.until("event: progress")
    for _ in range(3):
        refused = await api.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "events.too_many_streams")
        assert (refused.headers["Retry-After"], refused.json()["limit"]) == ("15", following.MOST_STREAMS)
    assert (await api.get(path, headers=stranger.headers)).status_code == 404
    assert (await api.get(f"/v1/generations/{generation}")).status_code == 200

    await open_ones[0].__aexit__(None, None, None)
    async with stream(app, user, generation) as again:
        await again.until("event: progress")
    for one in open_ones[1:]:
        await one.__aexit__(None, None, None)
    for _ in range(following.MOST_STREAMS + 1):
        assert (await api.get(f"/v1/generations/{uuid4()}/events")).status_code == 404
    assert following._TAKEN == {}


async def test_s94_a_revoked_key_closes_what_it_opened(
    app: Litestar, user: Person, generation: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert following._CHECK_EVERY_S <= 30 - 2 * following._LOOK_EVERY_S
    monkeypatch.setattr(following, "_CHECK_EVERY_S", 0.0)
    async with stream(app, user, generation) as ear:
        await ear.until("event: progress")
        async with db.begin() as tx:
            await tx.execute(text("UPDATE api_keys SET revoked_at = now()"))
        await ear.until("event: signed_out")
    assert following._TAKEN == {}
    async with stream(app, user, generation) as ear:
        await ear.until("auth.required")
        assert ear.status == 401
