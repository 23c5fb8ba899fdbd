"""Writes down the SQL of one create, one read and one list, as ours sends it, for `api_floor.py` to play."""

import contextlib
import re
from collections.abc import Generator, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import httpx
from api_floor import Tape
from asyncpg.prepared_stmt import PreparedStatement

from reelwright import settings as reading_settings
from reelwright.app import create_app

_taped: ContextVar[list[tuple[str, tuple[Any, ...]]] | None] = ContextVar("taped", default=None)


@contextlib.contextmanager
def taping() -> Generator[None]:
    """Write down what asyncpg is asked within a request of this process."""
    prepared: Any = PreparedStatement
    connection: Any = asyncpg.Connection
    fetch, execute = prepared.fetch, connection.execute

    async def taped_fetch(self: Any, *values: Any, **options: Any) -> Any:
        if (tape := _taped.get()) is not None:
            tape.append((self.get_query(), values))
        return await fetch(self, *values, **options)

    async def taped_execute(self: Any, sql: str, *values: Any, **options: Any) -> Any:
        if (tape := _taped.get()) is not None:
            tape.append((sql, values))
        return await execute(self, sql, *values, **options)

    prepared.fetch, connection.execute = taped_fetch, taped_execute
    try:
        yield
    finally:
        prepared.fetch, connection.execute = fetch, execute


def ids_in(value: Any) -> Iterator[UUID]:
    if isinstance(value, UUID):
        yield UUID(int=value.int)  # asyncpg's own class is another
    elif isinstance(value, list | tuple):
        for each in value:
            yield from ids_in(each)


async def taped(
    environment: dict[str, str], key: str, accounts: Sequence[UUID], body: str
) -> tuple[dict[str, Tape], str]:
    """Ask each route twice in this process, and return what the second time sent; and the generation that is read."""
    settings = reading_settings.load(environment)
    app, tapes, made = create_app(settings), dict[str, Tape](), ""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url="http://127.0.0.1") as client,
    ):
        with taping():

            async def ask(name: str, method: str, path: str, content: str = "") -> httpx.Response:
                said: list[tuple[str, tuple[Any, ...]]] = []
                _taped.set(said)
                own = headers | {"Idempotency-Key": uuid4().hex}
                answer = await client.request(method, path, headers=own, content=content or None)
                assert answer.is_success, answer.text
                found = {each for _, values in said for each in ids_in(values)} - {accounts[0]}
                plain = tuple((_unlimited(sql), _plain(values)) for sql, values in said)
                fresh = tuple(found) if method == "POST" else ()
                tapes[name] = Tape(plain, fresh, answer.content, owners=tuple(accounts) if fresh else ())
                return answer

            for _ in range(2):
                made = (await ask("create", "POST", "/v1/create", body)).json()["generation_id"]
                await ask("read", "GET", f"/v1/generations/{made}")
                await ask("list", "GET", "/v1/generations?limit=20")
            _taped.set(None)
    return tapes, made


def _unlimited(sql: str) -> str:
    """Let the few accounts of the floor order as often as they are told to: the last word counts, and binds nobody."""
    limits = r"(order_stands\(.*?),\s+(\$\d+),\s+(\$\d+),\s+(\$\d+)\)"
    return re.sub(limits, r"\1, \2 + 1000000, \3 + 1000000, \4 + 1000000)", sql, flags=re.DOTALL)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return UUID(int=value.int)
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value
