"""`python -m reelwright.dev.stripe --port N --state FOLDER --webhook URL`: the simulator as its own process."""

import argparse
import os
from pathlib import Path

import msgspec
from aiohttp import web

from reelwright.dev.child import open_folder
from reelwright.dev.stripe.app import StripeApp
from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.keys import Keys
from reelwright.dev.stripe.webhooks import Faults, Webhooks
from reelwright.ground import log


async def _served(chosen: argparse.Namespace) -> web.Application:
    folder = open_folder(chosen.state)
    keys = Keys.kept_in(folder / "credentials.json")
    book = Book(base_url=f"http://127.0.0.1:{chosen.port}")
    webhooks = Webhooks(book, url=chosen.webhook, secrets=[keys.webhook_secret])
    webhooks.set_faults(msgspec.json.decode(os.environ.get("REELWRIGHT_STRIPE_FAULTS") or "{}", type=Faults))
    return StripeApp(book, webhooks, key=keys.secret_key, state=folder / "account.json").served()


def main() -> None:
    """Serve on loopback until told to stop."""
    parser = argparse.ArgumentParser(prog="reelwright.dev.stripe")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the keys and the account")
    parser.add_argument("--webhook", default="", metavar="URL", help="is told of every event")
    chosen = parser.parse_args()
    log.configure(as_json=False)
    web.run_app(_served(chosen), host="127.0.0.1", port=chosen.port, access_log=None, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
