"""`python -m reelwright.dev.delivery --port N --state FOLDER --allow URL_PREFIX`: the server as its own process."""

import argparse
import asyncio
from pathlib import Path

import uvicorn

from reelwright.dev.delivery import Credentials, DeliveryApp, Engine
from reelwright.dev.delivery.engine import DEFAULT_TIMEOUT_S
from reelwright.ground import log


def main() -> None:
    """Serve on loopback until told to stop."""
    parser = argparse.ArgumentParser(prog="reelwright.dev.delivery")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps token and keys")
    parser.add_argument("--allow", action="append", required=True, metavar="URL_PREFIX", help="may be delivered to")
    parser.add_argument("--spread", default="", metavar="URL,URL", help="take turns for what is sent to the first")
    parser.add_argument("--parallel", type=int, default=16, help="deliveries under way at once")
    parser.add_argument("--timeout-s", type=float, default=DEFAULT_TIMEOUT_S, help="for one delivery's answer")
    chosen = parser.parse_args()
    log.configure(as_json=False)
    asyncio.run(_serve(chosen))


async def _serve(chosen: argparse.Namespace) -> None:
    state: Path = chosen.state / "credentials.json"
    credentials = Credentials.kept_in(state)
    spread = [url for url in chosen.spread.split(",") if url]
    async with Engine(
        credentials, allow=chosen.allow, spread=spread, parallel=chosen.parallel, timeout_s=chosen.timeout_s
    ) as engine:
        config = uvicorn.Config(
            DeliveryApp(engine, state=state),
            host="127.0.0.1",
            port=chosen.port,
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    main()
