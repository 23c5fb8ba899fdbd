"""Runs one of our apps under uvicorn, and sees it out: told at the signal itself, waited for, never cut short."""

import argparse
import asyncio
import atexit
import gc
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

import uvicorn
from litestar import Litestar
from prometheus_client import start_http_server

from reelwright import api
from reelwright.connection import Bounded
from reelwright.ground import log
from reelwright.ground.errors import Refusal
from reelwright.settings import SettingRefused, Settings, load

GRACE_S = 20
LAST_S = 10


_ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?/?", re.IGNORECASE)
_BACKLOG = 512
_COLLECTED = (5_000, 10, 10)


class Stopping(asyncio.Event):
    """Set at the first signal. An app with work of its own clears `seen_out` and sets it when none is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_out = asyncio.Event()
        self.seen_out.set()


def command(create_app: Callable[[Settings, Stopping], Litestar], *, prog: str, about: str, port: int) -> None:
    """Serve an app from the command line; every setting comes from the environment, and a wrong one is one line."""
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    chosen = parser.parse_args()
    stopping = Stopping()
    try:
        settings = load()
        log.configure(level=settings.log_level, as_json=settings.production)
        app = create_app(settings, stopping)
        if settings.metrics_port:
            open_metrics(chosen.host, settings.metrics_port)
    except Refusal as refusal:
        sys.exit(f"reelwright: {refusal.sentence}")
    serve(app, host=chosen.host, port=chosen.port, stopping=stopping)
    _end_now()


def open_metrics(host: str, port: int) -> None:
    """Serve the counters on a port of their own, where no token is asked for: a scraper may have none to send.

    Raises SettingRefused.
    """
    try:
        start_http_server(port, addr=host)
    except (OSError, OverflowError) as unusable:
        name = "REELWRIGHT_METRICS_PORT"
        raise SettingRefused(f"{name} is {port}, where this can't listen: {unusable}.", field=name) from unusable


def _end_now() -> NoReturn:
    """End without taking apart what was loaded: half a second of CPU, and on a busy machine what is left of a grace."""
    atexit._run_exitfuncs()  # noqa: SLF001 - nobody else calls them, and takes nothing apart
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def guarded(app: Litestar, settings: Settings, *addresses: str) -> Litestar:
    """Put the gatehouse around an app that is reached under these addresses of ours. Raises SettingRefused.

    Tests answer to any name, unless they say which.
    """
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingRefused(
                f"REELWRIGHT_CORS_ORIGINS lists origins such as https://app.example.com, and {origin!r} is none.",
                field="REELWRIGHT_CORS_ORIGINS",
            )
    named = [*settings.allowed_hosts, *(urlsplit(address).hostname or "" for address in addresses)]
    hosts = None if settings.environment == "test" and not settings.allowed_hosts else named
    app.state.metrics_token = settings.metrics_token
    https = settings.production and settings.base_url.startswith("https://")
    api.guard(app, api.Gatehouse.of(hosts, settings.cors_origins, https=https))
    return app


class _Server(uvicorn.Server):
    """uvicorn stops listening at the signal and waits for open answers before it ends the lifespan.

    So streams are told at the signal itself, and a worker goes on listening, to say that it takes nothing new, until
    what it has under way is finished or given back. A second SIGTERM changes nothing; a second Ctrl-C waits no more.
    The signals are not raised anew at the end: a process that was asked to stop and did ends with 0.
    """

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn gives it
        if self._stopping.is_set() and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        self._stopping.set()
        self.should_exit = self.should_exit or self._stopping.seen_out.is_set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            _keep_for_good()

    async def on_tick(self, counter: int) -> bool:
        if self._stopping.is_set() and self._stopping.seen_out.is_set():
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # A thread inside a library can't be stopped. What it works for has been given back: it may not keep us.
        last = threading.Timer(LAST_S, os._exit, (0,))
        last.daemon = True
        last.start()


def _keep_for_good() -> None:
    """Let no collection look again at what a process has loaded and opened by now: it stays until the end.

    200,000 objects, which held every request for 0.1 s and more. Cycles that come later are collected as ever, and the
    young ones in fewer turns.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED)


def config(app: Litestar, *, host: str, port: int, grace_s: int = GRACE_S) -> uvicorn.Config:
    """Return how uvicorn runs an app of ours: bounded connections, nothing believed of proxies, no WebSockets."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Bounded,
        ws="none",
        backlog=_BACKLOG,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=grace_s,
        server_header=False,
        proxy_headers=False,
    )


def serve(app: Litestar, *, host: str, port: int, stopping: Stopping, grace_s: int = GRACE_S) -> None:
    """Serve until SIGTERM or SIGINT and until the app is seen out, then let open answers finish within the grace."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    _Server(config(app, host=host, port=port, grace_s=grace_s), stopping).run(sockets=[listener])
