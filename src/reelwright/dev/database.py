"""`reelwright db`, and the database that a command works on: the given one, a running stack's, or the folder's own."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import rich_click as click

from reelwright.dev import endpoints
from reelwright.dev.endpoints import default_data
from reelwright.dev.postgres import Postgres
from reelwright.ground import migrations


@contextmanager
def _reachable(data: Path) -> Generator[str]:
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    data = data.expanduser().resolve()
    there = endpoints.running(data, wait_s=60)
    if there is not None:
        yield there.database_url
        return
    server = Postgres(data / "postgres")
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@contextmanager
def database_url(data: Path) -> Generator[str]:
    """Give the URL of DATABASE_URL, of the stack that runs on the folder, or of its server, started for the while.

    A folder's own database has its newest tables then. Raises FolderUnusable, FolderInUse, ProgramMissing; Outage.
    """
    with _reachable(data) as url:
        if not os.environ.get("DATABASE_URL"):
            migrations.upgrade(url)
        yield url


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.option(
    "--data", type=click.Path(path_type=Path), default=default_data, help="Whose server, where DATABASE_URL is not set."
)
def upgrade(data: Path) -> None:
    """Bring the database's tables up to date; nothing happens where they are."""
    with _reachable(data) as url:
        migrations.upgrade(url)
    click.echo("The database is up to date.")
