"""Orders accepted in fewer steps."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# What an account has used in a month and in an hour of it, and how many of its generations are live.
_USE = """
CREATE FUNCTION generation_use(of_account uuid, month_start timestamptz, month_end timestamptz, hour_start timestamptz,
                               hour_end timestamptz)
RETURNS TABLE (month bigint, hour bigint, full_month bigint, live bigint) STABLE LANGUAGE sql AS $$
    SELECT coalesce(sum(generation_units) FILTER (WHERE units_returned_at IS NULL), 0),
           coalesce(sum(generation_units) FILTER (WHERE admitted_at >= hour_start AND admitted_at < hour_end), 0),
           coalesce(sum(full_units) FILTER (WHERE units_returned_at IS NULL), 0),
           (SELECT count(*) FROM generations
             WHERE account_id = of_account AND ended_at IS NULL
               AND (deadline_at > clock_timestamp() OR paused_at IS NOT NULL))
      FROM generations WHERE account_id = of_account AND admitted_at >= month_start AND admitted_at < month_end
$$
"""

# The last word within the statement that writes an order: VOLATILE, so that each of its queries sees what was committed
# before, by who had the account's row as well, and what its own statement has written so far.
_STANDS = """
CREATE FUNCTION order_stands(of_account uuid, held boolean, month_start timestamptz, month_end timestamptz,
                             hour_start timestamptz, hour_end timestamptz, most_month integer, most_hour integer,
                             most_live integer)
RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    used record;
BEGIN
    IF held THEN
        PERFORM FROM users WHERE id = of_account AND deleted_at IS NULL FOR NO KEY UPDATE;
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
UPGRADE: tuple[str, ...] = (_USE, _STANDS)
DOWNGRADE: tuple[str, ...] = (
    "DROP FUNCTION order_stands",
    "DROP FUNCTION generation_use",
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
