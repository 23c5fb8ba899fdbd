"""What `api.py` measures against: a bare Litestar route, and routes that send a request's recorded SQL by asyncpg.

`api_floor.py --port N`, DATABASE_URL and FLOOR_TAPES (a pickle of `Tape`s by name) from the environment. The same
uvicorn, on uvloop and httptools, with the same settings; no key is looked at, nothing is logged, nothing decided.
"""

import argparse
import asyncio
import os
import pickle
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvicorn
from asyncpg.pool import PoolConnectionProxy
from litestar import Litestar, Response, get, post
from litestar.params import JSONBody

from reelwright.api.creations import CreateRequest


@dataclass(frozen=True)
class Tape:
    """The statements that one request sent, and its answer. Played, it has new `ids` and another owner each time."""

    statements: tuple[tuple[str, tuple[Any, ...]], ...]
    ids: tuple[UUID, ...]
    answer: bytes
    owners: tuple[UUID, ...] = ()

    def fresh(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the statements with new ids wherever the old ones stand, in values and in texts."""
        if not self.ids:
            return list(self.statements)
        new = {old: uuid4() for old in self.ids} | {self.owners[0]: random.choice(self.owners)}  # noqa: S311 - in turn
        spelt = [(str(old), str(to)) for old, to in new.items()]
        return [(sql, tuple(_swapped(value, new, spelt) for value in values)) for sql, values in self.statements]

    async def play(self, connection: "asyncpg.Connection | PoolConnectionProxy") -> None:
        """Send the statements."""
        for sql, values in self.fresh():
            if values or not sql.isupper():
                await connection.fetch(sql, *values)
            else:
                await connection.execute(sql)


def _swapped(value: Any, new: dict[UUID, UUID], spelt: list[tuple[str, str]]) -> Any:
    match value:
        case UUID():
            return new.get(value, value)
        case list() | tuple():
            return [_swapped(each, new, spelt) for each in value]
        case str():
            for old, to in spelt:
                value = value.replace(old, to)
            return value
        case bytes() if len(value) > 32:
            return _swapped(value.decode(), new, spelt).encode()
        case bytes():
            return os.urandom(len(value))
        case _:
            return value


def app() -> Litestar:
    tapes: dict[str, Tape] = pickle.loads(Path(os.environ["FLOOR_TAPES"]).read_bytes())  # noqa: S301 - our own file
    pool: asyncpg.Pool

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncGenerator[None]:
        nonlocal pool
        settings = {"plan_cache_mode": "force_generic_plan", "jit": "off", "random_page_cost": "1.1"}
        url = os.environ["DATABASE_URL"]
        async with asyncpg.create_pool(url, min_size=8, max_size=8, server_settings=settings) as pool:
            yield

    async def played(name: str) -> Response[bytes]:
        tape = tapes[name]
        async with pool.acquire() as connection:
            await tape.play(connection)
        return Response(tape.answer, media_type="application/json")

    @get("/bare")
    async def bare() -> CreateRequest:
        return CreateRequest(topic="Cats")

    @get("/sql/{name:str}")
    async def read(name: str) -> Response[bytes]:
        return await played(name)

    @post("/sql/{name:str}")
    async def write(name: str, data: JSONBody[CreateRequest]) -> Response[bytes]:  # noqa: ARG001 - decoding it is the point
        return await played(name)

    @get("/health/ready")
    async def ready() -> None:
        await asyncio.sleep(0)

    return Litestar([bare, read, write, ready], lifespan=[lifespan], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app(), port=parser.parse_args().port, access_log=False, log_level="warning", server_header=False)
