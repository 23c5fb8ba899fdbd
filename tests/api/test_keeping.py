"""What a server keeps for good is looked through once, when it starts; garbage of later is collected as ever."""

import asyncio
import sys

import httpx

from reelwright.dev import child
from tests.waiting import wait_until

_SERVER = """
import gc, sys, weakref
from litestar import Litestar, get
from reelwright import serving

class Knot:
    def __init__(self):
        self.itself = self

@get("/")
async def told() -> dict[str, int]:
    knots = [Knot() for _ in range(100)]
    known = [weakref.ref(knot) for knot in knots]
    del knots
    kept = [[] for _ in range(100_000)]
    return {"frozen": gc.get_freeze_count(), "left": sum(ref() is not None for ref in known), "kept": len(kept)}

app = Litestar([told], openapi_config=None, logging_config=None)
serving.serve(app, host="127.0.0.1", port=int(sys.argv[1]), stopping=serving.Stopping())
"""


async def test_what_is_there_at_the_start_is_never_looked_through_again_and_later_garbage_goes() -> None:
    port = child.free_port()
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVER, str(port))
    answers = list[dict[str, int]]()

    async def answered() -> bool:
        try:
            answers.append((await client.get(f"http://127.0.0.1:{port}/")).json())
        except httpx.ConnectError:
            return False
        return True

    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await wait_until(answered, timeout=30)
    finally:
        server.terminate()
        assert await server.wait() == 0
    assert answers[0]["frozen"] > 50_000
    assert answers[0]["left"] == 0
