"""Less written for each delivery of a stage."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# What a claim changes stands in no index any more, so that the row's new version needs no entry in any.
_RUNS = "CREATE INDEX ix_stage_runs_live ON stage_runs (id) WHERE {live}"
# Most of what is written to a generation is the number of its last event, which may always change.
_GUARDED = "CREATE TRIGGER legal_transition AFTER UPDATE{of} ON generations FOR EACH ROW EXECUTE FUNCTION {guard}"
_OF = " OF state, account_id, hold_micro, failure_code, failure_sentence, gate, started_at, ended_at"

UPGRADE: tuple[str, ...] = (
    "DROP INDEX ix_stage_runs_live",
    _RUNS.format(live="finished_at IS NULL"),
    "ALTER TABLE outbox SET (fillfactor = 80)",
    "DROP TRIGGER legal_transition ON generations",
    _GUARDED.format(of=_OF, guard="guard_generations()"),
)
DOWNGRADE: tuple[str, ...] = (
    "DROP TRIGGER legal_transition ON generations",
    _GUARDED.format(of="", guard="guard_generations()"),
    "ALTER TABLE outbox RESET (fillfactor)",
    "DROP INDEX ix_stage_runs_live",
    _RUNS.format(live="state IN ('queued', 'running')"),
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
