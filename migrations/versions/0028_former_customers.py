"""Whose customer it was that Stripe has deleted: what it paid for may be told of later."""

from alembic import op

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE former_customers (
        external_customer_id text NOT NULL,
        account_id uuid NOT NULL,
        left_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT pk_former_customers PRIMARY KEY (external_customer_id),
        CONSTRAINT fk_former_customers_account_id_users FOREIGN KEY (account_id) REFERENCES users (id)
    )
    """,
    "CREATE INDEX ix_former_customers_account_id ON former_customers (account_id)",
)
DOWNGRADE: tuple[str, ...] = ("DROP TABLE former_customers",)


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
