"""Runs one of our apps under uvicorn, and tells it early when it should stop."""

import asyncio
import socket
from types import FrameType

import uvicorn
from litestar import Litestar

_GRACE_S = 20


class _Server(uvicorn.Server):
    """uvicorn waits for open streams before it ends the lifespan, so the streams are told at the signal itself."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().handle_exit(sig, frame)


def serve(app: Litestar, *, host: str, port: int, stopping: asyncio.Event, grace_s: int = _GRACE_S) -> None:
    """Serve until SIGTERM or SIGINT, then let what is open finish within the grace period."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=grace_s,
        server_header=False,
        proxy_headers=False,
    )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    _Server(config, stopping).run(sockets=[listener])
