"""Each list comes by an index, also narrowed down: of users, orders, Stripe's events, dead letters and price lists.

No order that goes well writes more for it: of orders only those that fail are listed anew, of messages those that were
parked.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    # A trusted extension: who owns the database may add it.
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    """
    CREATE INDEX ix_users_email ON users USING gin (lower(email) gin_trgm_ops) WITH (fastupdate = off)
     WHERE deleted_at IS NULL
    """,
    "CREATE INDEX ix_users_plan ON users (plan, id) WHERE deleted_at IS NULL",
    """
    CREATE INDEX ix_generations_failed ON generations (account_id, created_at DESC, id DESC)
     WHERE failure_code IS NOT NULL
    """,
    "CREATE INDEX ix_outbox_parked ON outbox (id) WHERE parked_at IS NOT NULL",
    "CREATE INDEX ix_stripe_events_received_at ON stripe_events (received_at, event_id)",
    "DROP INDEX ix_webhook_endpoints_account_id",
    "CREATE INDEX ix_webhook_endpoints_account_id ON webhook_endpoints (account_id, created_at, id)",
    "DROP INDEX ix_price_versions_effective_from",
    "CREATE INDEX ix_price_versions_effective_from ON price_versions (effective_from, version)",
)
DOWNGRADE: tuple[str, ...] = (
    "DROP INDEX ix_users_email, ix_users_plan, ix_generations_failed, ix_outbox_parked, ix_stripe_events_received_at",
    "DROP EXTENSION pg_trgm",
    "DROP INDEX ix_webhook_endpoints_account_id",
    "CREATE INDEX ix_webhook_endpoints_account_id ON webhook_endpoints (account_id, created_at)",
    "DROP INDEX ix_price_versions_effective_from",
    "CREATE INDEX ix_price_versions_effective_from ON price_versions (effective_from)",
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
