"""`reelwright admin`: what an operator does, on the database that a command finds."""

import contextlib
import json
import os
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import rich_click as click

from reelwright.admission import Gate, Tcp
from reelwright.cli import admin as accounts
from reelwright.cli import dead_letters, keys, ledger, plans
from reelwright.cli.plans import Servers
from reelwright.dev import endpoints
from reelwright.dev.database import database_url
from reelwright.dev.endpoints import DATA
from reelwright.dev.valkey import Valkey
from reelwright.ground import redis
from reelwright.ground.errors import Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import facts

_PATIENCE = timedelta(seconds=2)


class RedisMissing(Refusal):
    code = "cli.redis_missing"


def _gate(db: Database, url: str | None) -> Gate:
    """Return the gate over the Redis of this URL, else over the Upstash database that the environment names."""
    if url:
        transport = Tcp(redis.connect(url, timeout_ms=None))
    else:
        from reelwright.admission import rest  # noqa: PLC0415 - 60 ms for the SDK, for those alone who use it

        address, token = os.environ["UPSTASH_REDIS_REST_URL"], os.environ["UPSTASH_REDIS_REST_TOKEN"]
        transport = rest.Rest(address, token, timeout=_PATIENCE)
    return Gate(transport, facts=facts.reader(db), held=facts.held(db), limits=facts.LIMITS, patience=_PATIENCE)


@contextlib.contextmanager
def _redis_url(data: Path) -> Generator[str | None]:
    """Give the URL of REDIS_URL, None for Upstash's, that of the stack on the folder, or of its server, started.

    Raises RedisMissing where a database is given and no Redis: the API would serve by the old plan for a while.
    """
    there = None if os.environ.get("DATABASE_URL") else endpoints.running(data.expanduser().resolve())
    if given := os.environ.get("REDIS_URL"):
        yield given
    elif os.environ.get("UPSTASH_REDIS_REST_URL") and os.environ.get("UPSTASH_REDIS_REST_TOKEN"):
        yield None
    elif os.environ.get("DATABASE_URL"):
        raise RedisMissing(
            "REDIS_URL is not set: give the API's own, or its UPSTASH_REDIS_REST_URL and …_TOKEN, so that it hears"
            " of the change.",
            field="REDIS_URL",
        )
    elif there is not None:
        yield there.redis_url
    else:
        server = Valkey(data.expanduser().resolve() / "valkey")
        try:
            server.start()
            yield server.url
        finally:
            server.stop()


@contextlib.contextmanager
def _servers(data: Path) -> Generator[Servers]:
    """Give the servers of the environment, of the stack that runs on the folder, or its own, started for the while."""
    with database_url(data) as url, _redis_url(data) as redis_url:
        yield Servers(url, lambda db: _gate(db, redis_url))


@click.group()
def admin() -> None:
    """What an operator does: accounts, their plans, boosts and keys, and what died of our own failure.

    With DATABASE_URL (and REDIS_URL) set it is done there, else on the Reelwright of the data folder.
    """


admin.add_command(dead_letters.group(database_url, DATA))
admin.add_command(ledger.group(database_url, DATA))
for one in plans.groups(_servers, DATA):
    admin.add_command(one)
for command in keys.commands(database_url, DATA):
    admin.add_command(command)


@admin.command("create-user")
@click.argument("email")
@click.option("--plan", type=click.Choice(["basic", "standard", "pro"]), default="basic", show_default=True)
@click.option("--admin", "is_admin", is_flag=True, help="Give the admin role.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DATA
def create_user(email: str, plan: str, is_admin: bool, as_json: bool, data: Path) -> None:  # noqa: FBT001 - flags
    """Make an account with a first API key and this month's credits."""
    live = os.environ.get("REELWRIGHT_ENVIRONMENT", "development") == "production"
    with database_url(data) as url:
        made = accounts.create_user(url, email=email, plan=plan, admin=is_admin, live=live)
    if as_json:
        click.echo(json.dumps(made))
    else:
        click.echo(f"{made['email']} ({made['plan']})\nAPI key, shown this once: {made['api_key']}")
