"""What people take with them, what goes when they go, and what administrators did."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

RUN_TRANSITIONS = (
    ("queued", "queued"),  # sent again
    ("queued", "running"),  # claimed
    ("queued", "failed"),  # given up: nobody came for it, and no attempt is left
    ("queued", "cancelled"),
    ("running", "running"),  # a heartbeat, or claimed again after its lease
    ("running", "queued"),  # failed and to be retried, given back, or rescued
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("succeeded", "succeeded"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
)
GENERATION_TRANSITIONS = (
    ("queued", "queued"),
    ("queued", "running"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("running", "running"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("succeeded", "succeeded"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
)
# What a row says for good once it has ended. The rest is bookkeeping: numbers of events, units given back, sendings.
RUN_CONCLUSION = ("generation_id", "attempt", "fence", "won_fence", "error_code", "result", "started_at", "finished_at")
GENERATION_CONCLUSION = (
    "account_id", "hold_micro", "failure_code", "failure_sentence", "gate", "started_at", "ended_at",
)  # fmt: skip


def _guard(table: str, legal: tuple[tuple[str, str], ...], conclusion: tuple[str, ...], *, also: str, but: str) -> str:
    """Return the guard of 0003 anew: it refuses every other pair, `but` where an account is being erased."""
    pairs = ",".join(f"{old}>{new}" for old, new in legal)
    before, after = (", ".join(f"{side}.{column}" for column in conclusion) for side in ("OLD", "NEW"))
    return f"""
        CREATE OR REPLACE FUNCTION guard_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.state || '>' || NEW.state <> ALL ('{{{pairs}}}'::text[]){also}
               OR OLD.state IN ('succeeded', 'failed', 'cancelled') AND ({before}) IS DISTINCT FROM ({after}){but} THEN
                RAISE EXCEPTION 'a row of {table} may not go from % to % like this', OLD.state, NEW.state
                    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'legal_transition', TABLE = '{table}';
            END IF;
            RETURN NULL;
        END $$
    """


def _guards(but: str) -> tuple[str, str]:
    return (
        _guard("stage_runs", RUN_TRANSITIONS, RUN_CONCLUSION, also=" OR NEW.fence < OLD.fence", but=but),
        _guard("generations", GENERATION_TRANSITIONS, GENERATION_CONCLUSION, also="", but=but),
    )


# What an ended row says can be emptied in a transaction that has said so: erasure is the one change after the end.
_UNLESS_ERASING = " AND current_setting('reelwright.erasing', true) IS DISTINCT FROM 'on'"

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE admin_actions (
        id uuid NOT NULL,
        actor uuid NOT NULL,
        action text NOT NULL,
        target text NOT NULL,
        facts jsonb NOT NULL DEFAULT '{}'::jsonb,
        request_id text,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_admin_actions PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_admin_actions_at ON admin_actions (at DESC, id DESC)",
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON admin_actions
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE exports (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        attempts smallint NOT NULL DEFAULT 0,
        claimed_until timestamptz,
        storage_key text,
        size_bytes bigint,
        sha256 text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        ready_at timestamptz,
        expires_at timestamptz,
        CONSTRAINT pk_exports PRIMARY KEY (id),
        CONSTRAINT fk_exports_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT ck_exports_state CHECK (state IN ('waiting', 'ready', 'failed', 'expired')),
        CONSTRAINT ck_exports_file CHECK (
            (state = 'ready') = (num_nulls(storage_key, size_bytes, sha256, expires_at) = 0))
    )
    """,
    "CREATE INDEX ix_exports_account_id ON exports (account_id, created_at DESC)",
    "CREATE UNIQUE INDEX uq_exports_waiting ON exports (account_id) WHERE state = 'waiting'",
    "CREATE INDEX ix_exports_due ON exports (created_at) WHERE state = 'waiting'",
    "CREATE INDEX ix_exports_expires_at ON exports (expires_at) WHERE state = 'ready'",
    """
    CREATE TABLE departures (
        account_id uuid NOT NULL,
        by_admin boolean NOT NULL,
        asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        erase_at timestamptz NOT NULL,
        stopped_at timestamptz,
        erased_at timestamptz,
        CONSTRAINT pk_departures PRIMARY KEY (account_id),
        CONSTRAINT fk_departures_account_id_users FOREIGN KEY (account_id) REFERENCES users (id),
        CONSTRAINT ck_departures_stopped_first CHECK (erased_at IS NULL OR stopped_at IS NOT NULL)
    )
    """,
    "CREATE INDEX ix_departures_open ON departures (asked_at) WHERE erased_at IS NULL",
    "CREATE INDEX ix_schedule_runs_ended_at ON schedule_runs (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX ix_requests_daily_day ON requests_daily (day)",
    *_guards(_UNLESS_ERASING),
)
DOWNGRADE: tuple[str, ...] = (
    *_guards(""),
    "DROP INDEX ix_requests_daily_day",
    "DROP INDEX ix_schedule_runs_ended_at",
    "DROP TABLE departures",
    "DROP TABLE exports",
    "DROP TABLE admin_actions",
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
