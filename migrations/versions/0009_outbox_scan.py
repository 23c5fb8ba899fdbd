"""An index of what was sent holds nothing that waits, so that no relay scans it; and a column that nobody uses goes."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    "DROP INDEX ix_outbox_published_at",
    "CREATE INDEX ix_outbox_published_at ON outbox (published_at) WHERE published_at IS NOT NULL",
    "ALTER TABLE generations DROP COLUMN cancel_requested_at",
)
DOWNGRADE: tuple[str, ...] = (
    "DROP INDEX ix_outbox_published_at",
    "CREATE INDEX ix_outbox_published_at ON outbox (published_at)",
    "ALTER TABLE generations ADD COLUMN cancel_requested_at timestamptz",
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
