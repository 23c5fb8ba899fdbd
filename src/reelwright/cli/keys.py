"""`reelwright admin create-key` and `set-password`: how an operator lets somebody in."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from reelwright.accounts import Passwords, Scope
from reelwright.ground import postgres
from reelwright.ground.errors import NotFound
from reelwright.ground.postgres import Database
from reelwright.journeys import onboarding

Reach = Callable[[Path], AbstractContextManager[str]]
"""Gives the URL of the database that a data folder, or the environment, means."""

_MEMORY_KIB = 19_456
Made = TypeVar("Made")


def commands(reach: Reach, data: Callable[[Any], Any]) -> list[click.Command]:
    """Return the commands. `reach` finds the database, `data` is the option that says whose."""

    @click.command("create-key", cls=click.RichCommand)
    @click.argument("email")
    @click.option("--name", default="operator's key", show_default=True, help="What its owner knows it by.")
    @click.option(
        "--scope",
        "scopes",
        multiple=True,
        type=click.Choice([scope.value for scope in Scope]),
        help="What it may do; left out: everything.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @data
    def create_key(email: str, name: str, scopes: tuple[str, ...], as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """Give an account one more API key, shown this once."""
        live = os.environ.get("REELWRIGHT_ENVIRONMENT", "development") == "production"
        chosen = [Scope(scope) for scope in scopes] or [Scope.ALL]

        async def made(db: Database) -> str | None:
            return await onboarding.key_for(email=email, live=live, db=db, name=name, scopes=chosen)

        with reach(data) as url:
            secret = asyncio.run(_done(url, made))
        if secret is None:
            raise _unknown()
        shown = {"email": email, "scopes": [scope.value for scope in chosen], "api_key": secret}
        click.echo(json.dumps(shown) if as_json else f"API key, shown this once: {secret}")

    @click.command("set-password", cls=click.RichCommand)
    @click.argument("email")
    @click.option("--password", envvar="REELWRIGHT_NEW_PASSWORD", prompt=True, hide_input=True, show_envvar=True)
    @data
    def set_password(email: str, password: str, data: Path) -> None:
        """Give an account a password by which it logs in, and end its sessions. It is asked for, and not shown."""
        passwords = Passwords(memory_kib=_MEMORY_KIB)

        async def made(db: Database) -> bool:
            return await onboarding.set_password(email=email, password=password, passwords=passwords, db=db)

        with reach(data) as url:
            if not asyncio.run(_done(url, made)):
                raise _unknown()
        click.echo(f"{email} logs in with the new password from now on.")

    return [create_key, set_password]


async def _done(url: str, do: Callable[[Database], Awaitable[Made]]) -> Made:
    db = postgres.connect(url, name="reelwright-cli", pool_size=1)
    try:
        return await do(db)
    finally:
        await db.close()


def _unknown() -> NotFound:
    return NotFound("No account has this address: make one with `reelwright admin create-user`.", field="EMAIL")
