"""What a stack's database needs before API and worker begin; each loads what it takes when it is called."""

from collections.abc import Mapping

LOADS = ("reelwright.ground.migrations", "reelwright.cli.admin")
"""What they take: whoever will call them soon can load it before."""


def migrated(database_url: str) -> None:
    """Bring the tables up to date. Raises what the database driver raises."""
    from reelwright.ground import migrations  # noqa: PLC0415 - Alembic and SQLAlchemy: another process may do it

    migrations.upgrade(database_url)


def with_users(database_url: str) -> Mapping[str, str]:
    """Make sure of a local user and admin; returns a fresh api_key and admin_api_key."""
    from reelwright.cli.admin import first_users  # noqa: PLC0415 - the same

    return first_users(database_url)
