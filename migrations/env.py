"""Alembic's entry: every room's tables, and a connection handed in by `reelwright.ground.migrations`."""

from alembic import context
from sqlalchemy import Connection

import reelwright.accounts.privacy_tables
import reelwright.accounts.tables
import reelwright.billing.tables
import reelwright.generations.tables
import reelwright.ledger.tables
import reelwright.library.tables
import reelwright.notices.tables
import reelwright.outbox.tables
import reelwright.providers.tables
import reelwright.schedules.tables  # noqa: F401 - importing all of these fills the metadata
from reelwright.ground.postgres import Row


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Row.metadata, compare_type=True, compare_server_default=True
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
