"""`reelwright admin`: what an operator does, on the database that a command finds."""

import json
import os
from pathlib import Path

import rich_click as click

from reelwright.cli import admin as accounts
from reelwright.cli import dead_letters, keys, ledger
from reelwright.dev.database import database_url
from reelwright.dev.endpoints import DATA


@click.group()
def admin() -> None:
    """What an operator does: accounts, and what died of our own failure."""


admin.add_command(dead_letters.group(database_url, DATA))
admin.add_command(ledger.group(database_url, DATA))
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
