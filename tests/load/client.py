"""One client process: takes a volley of shots from its standard input, fires them, and tells every answer at once.

python -m tests.load.client      one JSON volley a line in, JSON lists of answers a line out, [] ends a volley
"""

import asyncio
import sys
from itertools import count

import httpx
import msgspec

NO_ANSWER = 0
"""The status of a shot that nobody answered: the API died with it, or was away."""
_TOLD_AT_ONCE = 8
_PATIENCE_S = 20


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `account` only names who asks; the secret is the key that proves it."""

    account: str
    secret: str
    key: str
    path: str
    body: dict[str, str | int]


class Volley(msgspec.Struct, frozen=True, kw_only=True):
    """Shots to fire at these APIs in turn, `lanes` of them in flight all the time."""

    apis: list[str]
    lanes: int
    shots: list[Shot]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a shot: `started` names the generation that a 202 answers with, `replayed` an older one."""

    account: str
    status: int
    code: str = ""
    started: str = ""
    replayed: bool = False
    retry_after: str = ""
    took_ms: int = 0


class _Problem(msgspec.Struct):
    """The parts of an answer's body that are looked at, whichever it is."""

    code: str = ""
    generation_id: str = ""


async def fire(volley: Volley, client: httpx.AsyncClient) -> None:
    """Fire all shots and write every answer; an API that is away is an answer too."""
    shots, turn = iter(volley.shots), count()
    waiting: list[Answer] = []

    async def lane() -> None:
        for shot in shots:
            waiting.append(await _answer(shot, volley.apis[next(turn) % len(volley.apis)], client))
            if len(waiting) >= _TOLD_AT_ONCE:
                _tell(waiting)

    await asyncio.gather(*(lane() for _ in range(volley.lanes)))
    if waiting:
        _tell(waiting)
    _tell([])


async def _answer(shot: Shot, api: str, client: httpx.AsyncClient) -> Answer:
    headers = {"Authorization": f"Bearer {shot.secret}", "Idempotency-Key": shot.key}
    began = asyncio.get_running_loop().time()
    try:
        got = await client.post(api + shot.path, json=shot.body, headers=headers)
    except httpx.TransportError:
        return Answer(account=shot.account, status=NO_ANSWER)
    said = msgspec.json.decode(got.content, type=_Problem)
    return Answer(
        account=shot.account,
        status=got.status_code,
        code=said.code,
        started=said.generation_id,
        replayed=got.headers.get("Idempotency-Replayed") == "true",
        retry_after=got.headers.get("Retry-After", ""),
        took_ms=round((asyncio.get_running_loop().time() - began) * 1000),
    )


def _tell(answers: list[Answer]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answers) + b"\n")
    sys.stdout.buffer.flush()
    answers.clear()


async def main() -> None:
    """Serve volleys until the standard input ends, as it does when whoever started us is gone."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False, limits=limits) as client:
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            await fire(msgspec.json.decode(line, type=Volley), client)


if __name__ == "__main__":
    asyncio.run(main())
