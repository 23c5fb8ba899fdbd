"""Runs one of our apps under uvicorn, and tells it early when it should stop."""

import argparse
import asyncio
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from litestar import Litestar

from reelwright.ground import log
from reelwright.ground.errors import Refusal
from reelwright.settings import Settings, load

_GRACE_S = 20


def command(create_app: Callable[[Settings, asyncio.Event], Litestar], *, prog: str, about: str, port: int) -> None:
    """Serve an app from the command line; every setting comes from the environment, and a wrong one is one line."""
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    chosen = parser.parse_args()
    stopping = asyncio.Event()
    try:
        settings = load()
        log.configure(level=settings.log_level, as_json=settings.production)
        app = create_app(settings, stopping)
    except Refusal as refusal:
        sys.exit(f"reelwright: {refusal.sentence}")
    serve(app, host=chosen.host, port=chosen.port, stopping=stopping)


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
