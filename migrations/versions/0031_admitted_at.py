"""When orders were admitted is an index's only key: behind it an account is told, and can't be looked for.

PostgreSQL 18 can look for the second key of an index by skipping through the first, which it thinks cheap while its
statistics are young or tell of few instants. It then read all of a month's orders, twice, to count one account's.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    "DROP INDEX ix_generations_admitted_at",
    "CREATE INDEX ix_generations_admitted_at ON generations (admitted_at) INCLUDE (account_id)",
)
DOWNGRADE: tuple[str, ...] = (
    "DROP INDEX ix_generations_admitted_at",
    "CREATE INDEX ix_generations_admitted_at ON generations (admitted_at, account_id)",
)


def upgrade() -> None:
    # A migration waits for a lock only briefly: a queue behind it would stop the whole service.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in UPGRADE:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in DOWNGRADE:
        op.get_bind().exec_driver_sql(statement)
