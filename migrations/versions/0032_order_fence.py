"""An order is one statement and its own transaction: what says that none stands bars any that may still arrive."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# The last word as before (0018, which the version before goes on calling), and only for who knows the account's newest
# fence: an order whose end nobody saw may come late, after it was found not to stand and all was given back.
_STANDS = """
CREATE FUNCTION order_stands(of_account uuid, fence bigint, held boolean, month_start timestamptz,
                             month_end timestamptz, hour_start timestamptz, hour_end timestamptz, most_month integer,
                             most_hour integer, most_live integer)
RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    used record;
BEGIN
    IF held THEN
        PERFORM FROM users WHERE id = of_account AND deleted_at IS NULL AND order_fence = fence FOR NO KEY UPDATE;
        IF FOUND THEN
            SELECT * INTO used FROM generation_use(of_account, month_start, month_end, hour_start, hour_end);
            IF used.month <= most_month AND used.hour <= most_hour AND used.live <= most_live THEN
                RETURN true;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'the order does not stand' USING ERRCODE = 'RW001';
END
$$
"""
UPGRADE: tuple[str, ...] = ("ALTER TABLE users ADD COLUMN order_fence bigint NOT NULL DEFAULT 0", _STANDS)
DOWNGRADE: tuple[str, ...] = (
    """
    DROP FUNCTION order_stands (uuid, bigint, boolean, timestamptz, timestamptz, timestamptz, timestamptz, integer,
                                integer, integer)
    """,
    "ALTER TABLE users DROP COLUMN order_fence",
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
