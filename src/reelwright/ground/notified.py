"""PostgreSQL's notifications: heard on a connection of their own, which is opened again after it is lost."""

import asyncio
from collections.abc import Callable

import asyncpg

from reelwright.ground.postgres import async_url


async def listen(url: str, channel: str, heard: Callable[[str], None]) -> None:
    """Call `heard` with each notification's text, and with none after every (re)connection. Runs until cancelled."""
    plain = async_url(url).replace("postgresql+asyncpg://", "postgresql://")
    while True:
        try:
            await _listen_once(plain, channel, heard)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            await asyncio.sleep(1.0)


async def _listen_once(url: str, channel: str, heard: Callable[[str], None]) -> None:
    """Listen until the connection ends. Raises OSError, asyncpg's errors."""
    gone = asyncio.Event()

    def ended(_connection: object) -> None:
        gone.set()

    def notified(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        heard(str(payload))

    connection = await asyncpg.connect(url, timeout=5, server_settings={"application_name": "reelwright-listen"})
    try:
        connection.add_termination_listener(ended)
        await connection.add_listener(channel, notified)
        heard("")
        await gone.wait()
    finally:
        connection.terminate()
