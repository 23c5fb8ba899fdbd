"""A provider whose name leads somewhere else from one moment to the next: nothing of ours remembers the old address."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from reelwright.ground.metering import Action
from reelwright.providers.catalogue import Craft, model_of
from reelwright.providers.openai_chat import complete
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.openai_prompts import JUDGEMENT_FORMAT
from tests.chaos.proxy import Fault, Proxy
from tests.simulators.openai import SimulatedOpenAI

NAME, OLD, NEW = "provider.test", "127.0.0.1", "127.0.0.2"


@contextlib.asynccontextmanager
async def listening(line: Proxy, address: str, port: int) -> AsyncGenerator[int]:
    line.resume()
    server = await asyncio.start_server(line._serve, address, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        line.cut()


async def asked(connection: OpenAIConnection) -> None:
    await complete(
        connection,
        model_of("openai", Craft.TEXT, "gpt-5.4-mini"),
        lambda said: (said, []),
        action=Action.STORY,
        quantity=1,
        messages=[{"role": "user", "content": "Cats."}],
        answer_format=JUDGEMENT_FORMAT,
        most_tokens=900,
    )


async def test_f78_who_moved_is_found_at_the_new_address(
    server: SimulatedOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept connections end with the old server, and each new one asks for the name's address anew."""
    resolve, leads_to, told = socket.getaddrinfo, [OLD], list[str]()

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        if host in {NAME, NAME.encode()}:
            told.append(leads_to[0])
            host = leads_to[0]
        return resolve(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    upstream = int(server.base_url.rsplit(":", 1)[1].split("/")[0])
    old, new = Proxy("127.0.0.1", upstream), Proxy("127.0.0.1", upstream)
    async with listening(old, OLD, 0) as port, listening(new, NEW, port):
        budget = CallBudget(total_s=15, attempt_s=10, first_wait_s=0.01, longest_wait_s=0.5, response_bytes=100_000)
        connection = OpenAIConnection(api_key="sk-made-up", base_url=f"http://{NAME}:{port}/v1", budget=budget)
        await asked(connection)
        leads_to[0] = NEW
        old.set(Fault(refuse=True))
        old.cut()
        await asked(connection)
    assert (len(server.asked), told[0], told[-1]) == (2, OLD, NEW)
