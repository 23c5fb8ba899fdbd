"""Which request made what, so that the same request sent again makes nothing more."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE replays (
        account_id uuid NOT NULL,
        scope text NOT NULL,
        key_hash bytea NOT NULL,
        fingerprint bytea NOT NULL,
        made uuid NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT pk_replays PRIMARY KEY (account_id, scope, key_hash),
        CONSTRAINT fk_replays_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT ck_replays_hashes CHECK (octet_length(key_hash) = 32 AND octet_length(fingerprint) = 32)
    )
    """,
    "CREATE INDEX ix_replays_created_at ON replays (created_at)",
)
DOWNGRADE: tuple[str, ...] = ("DROP TABLE replays",)


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
