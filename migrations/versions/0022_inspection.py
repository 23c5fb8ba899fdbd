"""Tickets to a generation's stream of events."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE stream_tickets (
        token_hash bytea NOT NULL,
        account_id uuid NOT NULL,
        generation_id uuid NOT NULL,
        key_id uuid,
        session_id uuid,
        expires_at timestamptz NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_stream_tickets PRIMARY KEY (token_hash),
        CONSTRAINT fk_stream_tickets_account_id_users FOREIGN KEY (account_id) REFERENCES users (id)
    )
    """,
    "CREATE INDEX ix_stream_tickets_account_id ON stream_tickets (account_id)",
)
DOWNGRADE: tuple[str, ...] = ("DROP TABLE stream_tickets",)


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
