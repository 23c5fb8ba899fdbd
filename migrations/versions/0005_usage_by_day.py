"""Usage is rolled up by day, and what tracking lost is counted."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    CREATE TABLE usage_daily (
        account_id uuid NOT NULL,
        day date NOT NULL,
        action text NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        plan text NOT NULL,
        outcome text NOT NULL,
        calls bigint NOT NULL DEFAULT 0,
        quantity bigint NOT NULL DEFAULT 0,
        prompt_tokens bigint NOT NULL DEFAULT 0,
        completion_tokens bigint NOT NULL DEFAULT 0,
        images bigint NOT NULL DEFAULT 0,
        characters bigint NOT NULL DEFAULT 0,
        wall_ms bigint NOT NULL DEFAULT 0,
        cost_nano_usd bigint NOT NULL DEFAULT 0,
        credits_micro bigint NOT NULL DEFAULT 0,
        CONSTRAINT pk_usage_daily PRIMARY KEY (account_id, day, action, provider, model, plan, outcome),
        CONSTRAINT fk_usage_daily_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_usage_daily_day ON usage_daily (day)",
    """
    CREATE TABLE usage_totals (
        day date NOT NULL,
        action text NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        plan text NOT NULL,
        outcome text NOT NULL,
        calls bigint NOT NULL DEFAULT 0,
        quantity bigint NOT NULL DEFAULT 0,
        prompt_tokens bigint NOT NULL DEFAULT 0,
        completion_tokens bigint NOT NULL DEFAULT 0,
        images bigint NOT NULL DEFAULT 0,
        characters bigint NOT NULL DEFAULT 0,
        wall_ms bigint NOT NULL DEFAULT 0,
        cost_nano_usd bigint NOT NULL DEFAULT 0,
        credits_micro bigint NOT NULL DEFAULT 0,
        CONSTRAINT pk_usage_totals PRIMARY KEY (day, action, provider, model, plan, outcome)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE usage_rollups (
        book text NOT NULL,
        upto bigint NOT NULL DEFAULT 0,
        at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_usage_rollups PRIMARY KEY (book)
    )
    """,
    """
    CREATE TABLE requests_daily (
        account_id uuid NOT NULL,
        day date NOT NULL,
        route text NOT NULL,
        outcome text NOT NULL,
        requests bigint NOT NULL,
        CONSTRAINT pk_requests_daily PRIMARY KEY (account_id, day, route, outcome)
    )
    """,
    """
    CREATE TABLE tracking_failures (
        day date NOT NULL,
        source text NOT NULL,
        reason text NOT NULL,
        lost bigint NOT NULL,
        first_at timestamptz NOT NULL DEFAULT now(),
        last_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_tracking_failures PRIMARY KEY (day, source, reason)
    )
    """,
)
DOWNGRADE = (
    "DROP TABLE tracking_failures",
    "DROP TABLE requests_daily",
    "DROP TABLE usage_rollups",
    "DROP TABLE usage_totals",
    "DROP TABLE usage_daily",
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
