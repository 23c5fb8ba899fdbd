"""What was told of cancelled generations goes after a while, like what was told of those that ended."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_ENDED = "'generation_succeeded', 'generation_failed'"
_OTHERS = "'webhook_test', 'verify_address', 'password_reset', 'address_known', 'password_changed'"

UPGRADE: tuple[str, ...] = (
    "DROP INDEX ix_notices_passing",
    f"CREATE INDEX ix_notices_passing ON notices (told_at) WHERE kind IN ({_ENDED}, 'generation_cancelled', {_OTHERS})",
)
DOWNGRADE: tuple[str, ...] = (
    "DELETE FROM notices WHERE kind = 'generation_cancelled'",  # nobody would know their kind
    "DROP INDEX ix_notices_passing",
    f"CREATE INDEX ix_notices_passing ON notices (told_at) WHERE kind IN ({_ENDED}, {_OTHERS})",
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
