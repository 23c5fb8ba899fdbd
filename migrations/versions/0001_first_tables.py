"""First tables: their statements stand in the file of the same name, apart by a blank line."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration waits for a lock only briefly: a queue behind it would stop the whole service.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    tables = (
        "assets, usage_ledger, credit_holds, credit_journal, credit_balances, outbox, generation_events, artefacts,"
        " stage_runs, scenes, variants, sources, generations, drafts, boosts, subscriptions, api_keys, users,"
        " provider_models, providers, action_costs, price_versions"
    )
    op.get_bind().exec_driver_sql(f"DROP TABLE {tables} CASCADE")  # CASCADE: drafts and variants point at each other
    op.execute("DROP FUNCTION refuse_change()")
