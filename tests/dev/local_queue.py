"""The local delivery server on a real listener, with a real receiver to deliver to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import uvicorn
from aiohttp import web
from qstash import AsyncQStash, Receiver

from reelwright.dev.child import free_port
from reelwright.dev.credentials import Credentials
from reelwright.dev.delivery import DeliveryApp, Engine, Faults
from reelwright.dev.delivery.message import Message
from reelwright.ground import qstash as ground_qstash
from tests.waiting import wait_until


@dataclass
class Worker:
    """Takes deliveries on a real socket, answers as told and remembers what came."""

    base_url: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most_under_way: int = 0

    async def __call__(self, scope, receive, send) -> None:
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        await self.gate.wait()
        self.under_way -= 1
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = "?" + scope["query_string"].decode() if scope["query_string"] else ""
        path = scope["raw_path"].decode() + query
        self.seen.append({"path": path, "headers": headers, "body": body, "method": scope["method"]})
        status, extra = self.answers.pop(0) if self.answers else (204, {})
        pairs = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if status == 204 else b"said \xff"})

    def bodies(self) -> list[bytes]:
        return [came["body"] for came in self.seen]


class Listening(uvicorn.Server):
    """A uvicorn server inside the test's own loop."""

    def __init__(self, app: Any) -> None:
        self.port = free_port()
        super().__init__(
            uvicorn.Config(app, host="127.0.0.1", port=self.port, lifespan="off", log_config=None, access_log=False)
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.serve())
        await wait_until(lambda: self.started)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.should_exit = True
        await self.task


@dataclass
class Post:
    """The server under test: its client, its keys, its address."""

    client: AsyncQStash
    engine: Engine
    base_url: str

    @property
    def keys(self) -> Credentials:
        return self.engine.credentials

    def waiting(self) -> list[Message]:
        return [message for message in self.engine.messages.values() if message.state in {"waiting", "active"}]

    def idle(self) -> bool:
        return not self.waiting()

    def state_of(self, message_id: str) -> str:
        return self.engine.messages[message_id].state

    async def ask(self, verb: str, path: str, body: str | None = None) -> Any:
        """Ask what the SDK has no method for, through the SDK's own connection."""
        return await self.client.http.request(path=path, method=verb, body=body)


@asynccontextmanager
async def serving(worker: Worker, state: Path) -> AsyncGenerator[Post]:
    """Serve with four deliveries side by side."""
    engine = Engine(Credentials.kept_in(state), allow=[worker.base_url])
    served = web.AppRunner(DeliveryApp(engine, state=state).served(), access_log=None)
    await served.setup()
    await web.TCPSite(served, "127.0.0.1", port := free_port()).start()
    client = ground_qstash.connect(token=engine.credentials.token, base_url=f"http://127.0.0.1:{port}")
    async with engine.delivering(parallel=4):
        yield Post(client, engine, f"http://127.0.0.1:{port}")
    await ground_qstash.close(client)
    await served.cleanup()


@asynccontextmanager
async def fresh(post: Post, worker: Worker) -> AsyncGenerator[None]:
    """Let a test begin with nothing there; at its end the official receiver takes every delivery there was."""
    worker.seen, worker.answers, worker.most_under_way = [], [], 0
    worker.gate.set()
    post.engine.set_faults(Faults())
    first = post.keys.current
    yield
    worker.gate.set()  # of a test that failed half-way
    receiver = Receiver(first, post.keys.current)
    for came in worker.seen:
        signature, url = came["headers"]["upstash-signature"], worker.base_url + came["path"]
        receiver.verify(signature=signature, body=came["body"].decode(), url=url)
    for message in post.waiting():
        post.engine.end(message, "cancelled")
    for kept in (post.engine.messages, post.engine.schedules, post.engine.dead, post.engine._taken_ids):
        kept.clear()
