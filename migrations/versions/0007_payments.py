"""Subscriptions with periods, purchases, and Stripe's events as they came."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PLANS: tuple[str, ...] = (
    # Until now every plan was set by hand.
    """
    ALTER TABLE users
        ADD COLUMN given_plan text NOT NULL DEFAULT 'basic',
        ADD COLUMN external_customer_id text,
        ADD COLUMN allowance_due_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',
        ADD CONSTRAINT ck_users_given_plan CHECK (given_plan IN ('basic', 'standard', 'pro'))
    """,
    "UPDATE users SET given_plan = plan WHERE plan <> 'basic'",
    "CREATE UNIQUE INDEX uq_users_external_customer_id ON users (external_customer_id)",
    """
    CREATE INDEX ix_users_allowance_due_at ON users (allowance_due_at, id) WHERE deleted_at IS NULL AND NOT demo
    """,
    # Nothing could write subscriptions before: one without an id or a period was nobody's.
    "DELETE FROM subscriptions WHERE num_nulls(external_id, external_customer_id, period_start, period_end) > 0",
    """
    ALTER TABLE subscriptions
        ALTER COLUMN external_id SET NOT NULL,
        ALTER COLUMN external_customer_id SET NOT NULL,
        ALTER COLUMN period_start SET NOT NULL,
        ALTER COLUMN period_end SET NOT NULL,
        ADD COLUMN anchor timestamptz,
        ADD COLUMN next_plan text,
        ADD COLUMN past_due_since timestamptz,
        ADD COLUMN ended_at timestamptz,
        ADD COLUMN told_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN settle_at timestamptz,
        ADD CONSTRAINT ck_subscriptions_next_plan CHECK (next_plan IN ('basic', 'standard', 'pro'))
    """,
    "UPDATE subscriptions SET past_due_since = told_at WHERE status = 'past_due'",
    """
    ALTER TABLE subscriptions ADD CONSTRAINT ck_subscriptions_past_due_since
        CHECK ((status = 'past_due') = (past_due_since IS NOT NULL))
    """,
    """
    CREATE INDEX ix_subscriptions_settle_at ON subscriptions (settle_at, account_id) WHERE settle_at IS NOT NULL
    """,
    """
    CREATE TABLE paid_periods (
        source text NOT NULL,
        account_id uuid NOT NULL,
        plan text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_paid_periods PRIMARY KEY (source),
        CONSTRAINT ck_paid_periods_plan CHECK (plan IN ('basic', 'standard', 'pro')),
        CONSTRAINT ck_paid_periods_period CHECK (starts_at < ends_at),
        CONSTRAINT fk_paid_periods_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
    )
    """,
    "CREATE INDEX ix_paid_periods_account_id ON paid_periods (account_id, ends_at)",
    "ALTER TABLE boosts ADD COLUMN closed_at timestamptz",
    "CREATE INDEX ix_boosts_ends_at ON boosts (ends_at, id) WHERE closed_at IS NULL",
)
PLANS_DOWN: tuple[str, ...] = (
    "DROP INDEX ix_boosts_ends_at",
    "ALTER TABLE boosts DROP COLUMN closed_at",
    "DROP TABLE paid_periods",
    """
    ALTER TABLE subscriptions
        ALTER COLUMN external_id DROP NOT NULL,
        ALTER COLUMN external_customer_id DROP NOT NULL,
        ALTER COLUMN period_start DROP NOT NULL,
        ALTER COLUMN period_end DROP NOT NULL,
        DROP COLUMN anchor, DROP COLUMN next_plan, DROP COLUMN past_due_since, DROP COLUMN ended_at,
        DROP COLUMN told_at, DROP COLUMN settle_at
    """,
    """
    ALTER TABLE users DROP COLUMN given_plan, DROP COLUMN external_customer_id, DROP COLUMN allowance_due_at
    """,
)
PAYMENTS: tuple[str, ...] = (
    """
    CREATE TABLE stripe_events (
        event_id text NOT NULL,
        type text NOT NULL,
        api_version text,
        created timestamptz NOT NULL,
        livemode boolean NOT NULL,
        object_type text NOT NULL,
        object_id text NOT NULL,
        serial text NOT NULL,
        payload json NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        status text NOT NULL,
        attempts smallint NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        error text NOT NULL DEFAULT '',
        done_at timestamptz,
        CONSTRAINT pk_stripe_events PRIMARY KEY (event_id),
        CONSTRAINT ck_stripe_events_status CHECK (status IN ('received', 'processing', 'done', 'failed', 'ignored')),
        CONSTRAINT ck_stripe_events_done_at CHECK ((status IN ('done', 'ignored')) = (done_at IS NOT NULL))
    )
    """,
    """
    CREATE INDEX ix_stripe_events_due ON stripe_events (next_attempt_at) WHERE status IN ('received', 'processing')
    """,
    "CREATE INDEX ix_stripe_events_processing ON stripe_events (serial) WHERE status = 'processing'",
    "CREATE INDEX ix_stripe_events_status ON stripe_events (status, received_at, event_id)",
    """
    CREATE TABLE stripe_reviews (
        day date NOT NULL,
        tried_at timestamptz NOT NULL DEFAULT now(),
        done_at timestamptz,
        missed integer NOT NULL DEFAULT 0,
        CONSTRAINT pk_stripe_reviews PRIMARY KEY (day)
    )
    """,
    """
    CREATE TABLE purchases (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        kind text NOT NULL,
        item text NOT NULL,
        fingerprint bytea NOT NULL,
        catalogue_version smallint NOT NULL,
        state text NOT NULL DEFAULT 'open',
        session_id text,
        url text,
        created_at timestamptz NOT NULL DEFAULT now(),
        settled_at timestamptz,
        CONSTRAINT pk_purchases PRIMARY KEY (id),
        CONSTRAINT ck_purchases_kind CHECK (kind IN ('plan', 'pack', 'boost')),
        CONSTRAINT ck_purchases_state
            CHECK (state IN ('open', 'pending', 'failed', 'expired', 'paid', 'refunded')),
        CONSTRAINT fk_purchases_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
    )
    """,
    "CREATE UNIQUE INDEX uq_purchases_session_id ON purchases (session_id)",
    "CREATE INDEX ix_purchases_account_id ON purchases (account_id, created_at)",
    """
    CREATE TABLE payments (
        source text NOT NULL,
        account_id uuid NOT NULL,
        kind text NOT NULL,
        payment_intent text,
        granted_micro bigint NOT NULL DEFAULT 0,
        clawed_micro bigint NOT NULL DEFAULT 0,
        boost_days smallint NOT NULL DEFAULT 0,
        granted_by text,
        lapses_at timestamptz,
        disputed boolean NOT NULL DEFAULT false,
        turns integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_payments PRIMARY KEY (source),
        CONSTRAINT ck_payments_kind CHECK (kind IN ('plan', 'pack', 'boost')),
        CONSTRAINT ck_payments_amounts
            CHECK (granted_micro >= 0 AND clawed_micro BETWEEN 0 AND granted_micro),
        CONSTRAINT fk_payments_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
    )
    """,
    "CREATE INDEX ix_payments_payment_intent ON payments (payment_intent)",
    "CREATE INDEX ix_payments_disputed ON payments (account_id) WHERE disputed",
)
PAYMENTS_DOWN: tuple[str, ...] = (
    "DROP TABLE payments",
    "DROP TABLE purchases",
    "DROP TABLE stripe_reviews",
    "DROP TABLE stripe_events",
)

UPGRADE = PLANS + PAYMENTS
DOWNGRADE = PAYMENTS_DOWN + PLANS_DOWN


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
