"""`python -m reelwright.dev.delivery --port N --state FOLDER --allow URL_PREFIX`: the server as its own process."""

import argparse
from pathlib import Path

import uvloop
from aiohttp import web

from reelwright.dev.credentials import Credentials
from reelwright.dev.delivery import DeliveryApp, Engine
from reelwright.dev.delivery.message import Message
from reelwright.ground import log


async def _served(chosen: argparse.Namespace) -> web.Application:
    state: Path = chosen.state / "credentials.json"
    engine = Engine(Credentials.kept_in(state), allow=chosen.allow, spread=[*filter(None, chosen.spread.split(","))])
    if chosen.tick:
        options = {"upstash-cron": "* * * * *", "upstash-retries": "0", "upstash-schedule-id": "tick"}
        engine.schedule(Message(url=chosen.tick, body=b"", options=options))
    app = DeliveryApp(engine, state=state).served()
    app.cleanup_ctx.append(lambda _: engine.delivering(parallel=chosen.parallel))
    return app


def main() -> None:
    """Serve on loopback until told to stop."""
    parser = argparse.ArgumentParser(prog="reelwright.dev.delivery")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps token and keys")
    parser.add_argument("--allow", action="append", required=True, metavar="URL_PREFIX", help="may be delivered to")
    parser.add_argument("--spread", default="", metavar="URL,URL", help="take turns for what is sent to the first")
    parser.add_argument("--tick", metavar="URL", help="has a schedule from the start: every minute")
    parser.add_argument("--parallel", type=int, default=16, help="deliveries under way at once")
    chosen = parser.parse_args()
    log.configure(as_json=False)
    at, loop = "127.0.0.1", uvloop.new_event_loop()
    web.run_app(_served(chosen), host=at, port=chosen.port, loop=loop, access_log=None, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
