"""What each account used in a day, of all kinds together."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE usage_accounts (
        account_id uuid NOT NULL,
        day date NOT NULL,
        calls bigint DEFAULT 0 NOT NULL,
        failed_calls bigint DEFAULT 0 NOT NULL,
        quantity bigint DEFAULT 0 NOT NULL,
        prompt_tokens bigint DEFAULT 0 NOT NULL,
        completion_tokens bigint DEFAULT 0 NOT NULL,
        images bigint DEFAULT 0 NOT NULL,
        characters bigint DEFAULT 0 NOT NULL,
        wall_ms bigint DEFAULT 0 NOT NULL,
        cost_nano_usd bigint DEFAULT 0 NOT NULL,
        credits_micro bigint DEFAULT 0 NOT NULL,
        CONSTRAINT pk_usage_accounts PRIMARY KEY (account_id, day),
        CONSTRAINT fk_usage_accounts_account_id_users FOREIGN KEY (account_id) REFERENCES users (id)
    ) WITH (fillfactor = 80)
    """,
    """
    INSERT INTO usage_accounts (account_id, day, failed_calls, calls, quantity, prompt_tokens, completion_tokens,
                                images, characters, wall_ms, cost_nano_usd, credits_micro)
    SELECT account_id, day, coalesce(sum(calls) FILTER (WHERE outcome = 'failed'), 0), sum(calls), sum(quantity),
           sum(prompt_tokens), sum(completion_tokens), sum(images), sum(characters), sum(wall_ms), sum(cost_nano_usd),
           sum(credits_micro)
      FROM usage_daily GROUP BY account_id, day
    """,
    "CREATE INDEX ix_usage_accounts_day ON usage_accounts (day)",
    "DROP INDEX ix_usage_daily_day",
)
DOWNGRADE: tuple[str, ...] = (
    "CREATE INDEX ix_usage_daily_day ON usage_daily (day)",
    "DROP TABLE usage_accounts",
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
