"""Credits are held and settled by functions: each of their statements sees what the one before has waited for."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# True where the credits are held now. The account's balance is moved first, and with it everybody else is locked out: the
# lots are read after that, by a query of its own, so they are as they stand. Where they fall short, or the attempt has
# a hold, the balance is moved back.
_HOLD = """
CREATE FUNCTION credits_hold(of_account uuid, for_generation uuid, for_attempt smallint, micro bigint)
RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    money record;
    lot record;
    ids uuid[];
    parts bigint[];
    part bigint;
    missing bigint := micro;
BEGIN
    UPDATE credit_balances
       SET available_micro = available_micro - micro, held_micro = held_micro + micro, version = version + 1,
           updated_at = now()
     WHERE account_id = of_account AND available_micro >= micro AND debt_micro = 0
    RETURNING available_micro AS available, held_micro AS held, version INTO money;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR lot IN SELECT id, remaining_micro FROM credit_lots
                WHERE account_id = of_account AND live AND remaining_micro > 0
                  AND effective_at <= statement_timestamp()
                  AND (expires_at IS NULL OR expires_at > statement_timestamp())
                ORDER BY priority, expires_at NULLS LAST, created_at, id LOOP
        part := least(lot.remaining_micro, missing);
        ids := ids || lot.id;
        parts := parts || part;
        missing := missing - part;
        EXIT WHEN missing = 0;
    END LOOP;
    IF missing = 0 THEN
        INSERT INTO credit_holds (generation_id, attempt, account_id, amount_micro, lot_ids, lot_micro)
        VALUES (for_generation, for_attempt, of_account, micro, ids, parts)
            ON CONFLICT (generation_id, attempt) DO NOTHING;
        IF FOUND THEN
            FOR at IN 1 .. cardinality(ids) LOOP
                UPDATE credit_lots SET remaining_micro = remaining_micro - parts[at], held_micro = held_micro + parts[at]
                 WHERE id = ids[at];
            END LOOP;
            INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro,
                                        available_after_micro, held_after_micro, debt_after_micro, generation_id, source)
            VALUES (of_account, money.version, 'hold', 'available', 'held', micro, money.available, money.held, 0,
                    for_generation, 'hold:' || for_generation || ':' || for_attempt);
            RETURN true;
        END IF;
    END IF;
    UPDATE credit_balances
       SET available_micro = available_micro + micro, held_micro = held_micro - micro, version = version - 1
     WHERE account_id = of_account;
    RETURN false;
END
$$
"""

# How the generation's pending hold was settled; nothing but NULLs where none was pending. Of what is freed, `lapsed` was
# freed into lots that have lapsed, and `lately` into those that did so less than 72 hours ago.
_SETTLE = """
CREATE FUNCTION credits_settle(for_generation uuid, how text, micro bigint, OUT account_id uuid, OUT attempt smallint,
                               OUT amount bigint, OUT captured bigint, OUT debt bigint, OUT lapsed bigint,
                               OUT lately bigint)
VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    hold record;
    money record;
    freed bigint;
    unspent bigint;
    part bigint;
    spent bigint;
    ending timestamptz;
BEGIN
    UPDATE credit_holds AS h
       SET state = how, settled_at = now(),
           captured_micro = CASE WHEN how = 'captured' THEN least(micro, amount_micro) END
     WHERE generation_id = for_generation AND state = 'pending'
    RETURNING h.account_id, h.attempt, amount_micro AS amount, coalesce(captured_micro, 0) AS captured, lot_ids,
              lot_micro INTO hold;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    account_id := hold.account_id;
    attempt := hold.attempt;
    amount := hold.amount;
    captured := hold.captured;
    freed := amount - captured;
    UPDATE credit_balances AS b
       SET available_micro = available_micro + freed, held_micro = held_micro - amount, updated_at = now(),
           version = version + (captured > 0)::int + (freed > 0)::int
     WHERE b.account_id = hold.account_id
    RETURNING available_micro AS available, held_micro AS held, debt_micro AS debt, version INTO money;
    debt := money.debt;
    lapsed := 0;
    lately := 0;
    unspent := captured;
    FOR at IN 1 .. cardinality(hold.lot_ids) LOOP
        part := hold.lot_micro[at];
        spent := least(part, unspent);
        unspent := unspent - spent;
        UPDATE credit_lots SET held_micro = held_micro - part, remaining_micro = remaining_micro + part - spent
         WHERE id = hold.lot_ids[at] RETURNING expires_at INTO ending;
        IF ending <= statement_timestamp() THEN
            lapsed := lapsed + part - spent;
            IF ending > statement_timestamp() - interval '72 hours' THEN
                lately := lately + part - spent;
            END IF;
        END IF;
    END LOOP;
    INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, available_after_micro,
                                held_after_micro, debt_after_micro, generation_id, source)
    SELECT hold.account_id, money.version - later, kind, 'held', bucket, moved, money.available - later * freed,
           money.held + later * freed, money.debt, for_generation, kind || ':' || for_generation || ':' || hold.attempt
      FROM (VALUES ('capture', 'spent', hold.captured, (freed > 0)::int), ('void', 'available', freed, 0))
           AS line (kind, bucket, moved, later)
     WHERE moved > 0;
END
$$
"""
UPGRADE: tuple[str, ...] = (_HOLD, _SETTLE)
DOWNGRADE: tuple[str, ...] = ("DROP FUNCTION credits_settle", "DROP FUNCTION credits_hold")


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
