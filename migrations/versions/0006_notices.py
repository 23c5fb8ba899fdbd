"""Warnings sent once, e-mails and webhooks that are sent until they arrive."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE notices (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        kind text NOT NULL,
        key text NOT NULL,
        facts jsonb NOT NULL,
        told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        mail_state text NOT NULL,
        mail_due_at timestamptz,
        mail_claimed_until timestamptz,
        mail_attempts smallint NOT NULL DEFAULT 0,
        mail_doubts smallint NOT NULL DEFAULT 0,
        mail_error text,
        mail_sent_at timestamptz,
        CONSTRAINT pk_notices PRIMARY KEY (id),
        CONSTRAINT ck_notices_key_length CHECK (char_length(key) BETWEEN 1 AND 200),
        CONSTRAINT ck_notices_mail_state CHECK (mail_state IN ('none', 'waiting', 'sent', 'unwanted', 'given_up')),
        CONSTRAINT ck_notices_mail_due_at CHECK ((mail_state = 'waiting') = (mail_due_at IS NOT NULL)),
        CONSTRAINT fk_notices_account_id_users FOREIGN KEY(account_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_notices_mail ON notices (mail_due_at) WHERE mail_state = 'waiting'",
    "CREATE UNIQUE INDEX uq_notices_key ON notices (account_id, kind, key)",
    "CREATE INDEX ix_notices_passing ON notices (told_at) WHERE kind IN ('generation_succeeded', 'generation_failed', 'webhook_test')",
    """
    CREATE TABLE webhook_endpoints (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        url text NOT NULL,
        description text NOT NULL DEFAULT '',
        events text[] NOT NULL,
        secret bytea NOT NULL,
        secret_before bytea,
        secret_before_until timestamptz,
        disabled_at timestamptz,
        disabled_reason text,
        failing_since timestamptz,
        paused_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id),
        CONSTRAINT ck_webhook_endpoints_url_length CHECK (char_length(url) BETWEEN 8 AND 2048),
        CONSTRAINT ck_webhook_endpoints_description_length CHECK (char_length(description) <= 200),
        CONSTRAINT ck_webhook_endpoints_secret_length CHECK (octet_length(secret) BETWEEN 24 AND 64),
        CONSTRAINT ck_webhook_endpoints_secret_before CHECK ((secret_before IS NULL) = (secret_before_until IS NULL)),
        CONSTRAINT ck_webhook_endpoints_disabled_reason CHECK (disabled_reason IN ('owner', 'gone', 'failing')),
        CONSTRAINT ck_webhook_endpoints_disabled_at CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
        CONSTRAINT fk_webhook_endpoints_account_id_users FOREIGN KEY(account_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_webhook_endpoints_account_id ON webhook_endpoints (account_id, created_at)",
    """
    CREATE TABLE webhook_deliveries (
        id uuid NOT NULL,
        endpoint_id uuid NOT NULL,
        notice_id uuid NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        attempts smallint NOT NULL DEFAULT 0,
        claim bigint NOT NULL DEFAULT 0,
        due_at timestamptz DEFAULT clock_timestamp(),
        claimed_until timestamptz,
        tries jsonb NOT NULL DEFAULT '[]'::jsonb,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        delivered_at timestamptz,
        CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id),
        CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('waiting', 'delivered', 'given_up')),
        CONSTRAINT ck_webhook_deliveries_due_at CHECK ((state = 'waiting') = (due_at IS NOT NULL)),
        CONSTRAINT fk_webhook_deliveries_endpoint_id_webhook_endpoints FOREIGN KEY(endpoint_id) REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
        CONSTRAINT fk_webhook_deliveries_notice_id_notices FOREIGN KEY(notice_id) REFERENCES notices (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX uq_webhook_deliveries_notice ON webhook_deliveries (endpoint_id, notice_id)",
    "CREATE INDEX ix_webhook_deliveries_created_at ON webhook_deliveries (created_at)",
    "CREATE INDEX ix_webhook_deliveries_listed ON webhook_deliveries (endpoint_id, created_at, id)",
    "CREATE INDEX ix_webhook_deliveries_notice_id ON webhook_deliveries (notice_id)",
    "CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at) WHERE state = 'waiting'",
    """
    CREATE TABLE notification_preferences (
        account_id uuid NOT NULL,
        kind text NOT NULL,
        mail boolean NOT NULL,
        webhook boolean NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_notification_preferences PRIMARY KEY (account_id, kind),
        CONSTRAINT fk_notification_preferences_account_id_users FOREIGN KEY(account_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_credit_lots_account_id ON credit_lots (account_id, created_at)",
)
DOWNGRADE: tuple[str, ...] = (
    "DROP INDEX ix_credit_lots_account_id",
    "DROP TABLE notification_preferences",
    "DROP TABLE webhook_deliveries",
    "DROP TABLE webhook_endpoints",
    "DROP TABLE notices",
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
