"""Schedules, what they run on, and every run of theirs."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE schedules (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        fingerprint bytea NOT NULL,
        name text NOT NULL,
        cron text NOT NULL,
        timezone text NOT NULL,
        source jsonb NOT NULL,
        making jsonb NOT NULL,
        missed text NOT NULL,
        runs_month integer,
        micro_month bigint,
        state text NOT NULL DEFAULT 'active',
        pause_code text,
        pause_sentence text,
        next_due_at timestamptz,
        position integer NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        runs_started integer NOT NULL DEFAULT 0,
        runs_succeeded integer NOT NULL DEFAULT 0,
        runs_failed integer NOT NULL DEFAULT 0,
        runs_refused integer NOT NULL DEFAULT 0,
        runs_missed integer NOT NULL DEFAULT 0,
        spent_micro bigint NOT NULL DEFAULT 0,
        last_run_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz,
        CONSTRAINT pk_schedules PRIMARY KEY (id),
        CONSTRAINT ck_schedules_missed CHECK (missed IN ('skip', 'catch_up_one')),
        CONSTRAINT ck_schedules_state CHECK (state IN ('active', 'paused', 'ended')),
        CONSTRAINT ck_schedules_due CHECK ((state = 'active') = (next_due_at IS NOT NULL)),
        CONSTRAINT ck_schedules_runs_month CHECK (runs_month > 0),
        CONSTRAINT ck_schedules_micro_month CHECK (micro_month > 0),
        CONSTRAINT ck_schedules_deleted CHECK (deleted_at IS NULL OR state = 'ended'),
        CONSTRAINT fk_schedules_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
    )
    """,
    """
    CREATE INDEX ix_schedules_account_id ON schedules (account_id, created_at DESC, id DESC) WHERE deleted_at IS NULL
    """,
    "CREATE INDEX ix_schedules_due ON schedules (next_due_at) WHERE state = 'active'",
    """
    CREATE TABLE schedule_runs (
        id uuid NOT NULL,
        schedule_id uuid NOT NULL,
        due_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'due',
        code text,
        sentence text,
        topic text,
        price_micro bigint,
        charged_micro bigint,
        missed integer NOT NULL DEFAULT 0,
        attempts integer NOT NULL DEFAULT 0,
        retry_at timestamptz,
        give_up_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT pk_schedule_runs PRIMARY KEY (id),
        CONSTRAINT ck_schedule_runs_state CHECK (
            state IN ('due', 'started', 'succeeded', 'failed', 'cancelled', 'refused', 'missed', 'skipped')),
        CONSTRAINT ck_schedule_runs_retry_at CHECK ((state = 'due') = (retry_at IS NOT NULL)),
        CONSTRAINT fk_schedule_runs_schedule_id_schedules
            FOREIGN KEY(schedule_id) REFERENCES schedules (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX uq_schedule_runs_due_at ON schedule_runs (schedule_id, due_at)",
    "CREATE INDEX ix_schedule_runs_retry_at ON schedule_runs (retry_at) WHERE state = 'due'",
    "CREATE INDEX ix_schedule_runs_started ON schedule_runs (id) WHERE state = 'started'",
    """
    CREATE TABLE schedule_entries (
        schedule_id uuid NOT NULL,
        entry bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_schedule_entries PRIMARY KEY (schedule_id, entry),
        CONSTRAINT ck_schedule_entries_entry CHECK (octet_length(entry) = 32),
        CONSTRAINT fk_schedule_entries_schedule_id_schedules
            FOREIGN KEY(schedule_id) REFERENCES schedules (id) ON DELETE CASCADE
    )
    """,
    "INSERT INTO action_costs (version, action, unit_micro) SELECT version, 'scheduled_run', 100000 FROM price_versions",
)
DOWNGRADE: tuple[str, ...] = (
    "DELETE FROM action_costs WHERE action = 'scheduled_run'",
    "DROP TABLE schedule_entries",
    "DROP TABLE schedule_runs",
    "DROP TABLE schedules",
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
