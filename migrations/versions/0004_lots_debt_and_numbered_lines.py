"""Credits come in lots that lapse, accounts may owe, journal lines are numbered, and price lists say who made them."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TRANSFERS = """
    CASE kind
      WHEN 'grant'    THEN from_bucket IN ('granted', 'sold') AND to_bucket = 'available'
      WHEN 'hold'     THEN from_bucket = 'available' AND to_bucket = 'held'
      WHEN 'capture'  THEN from_bucket = 'held' AND to_bucket = 'spent'
      WHEN 'void'     THEN from_bucket = 'held' AND to_bucket = 'available'
      WHEN 'refund'   THEN from_bucket = 'spent' AND to_bucket = 'available'
      WHEN 'expire'   THEN from_bucket = 'available' AND to_bucket = 'expired'
      WHEN 'repay'    THEN from_bucket = 'available' AND to_bucket = 'debt'
      WHEN 'clawback' THEN from_bucket IN ('available', 'debt') AND to_bucket = 'clawed_back'
      WHEN 'adjust'   THEN from_bucket IN ('available', 'debt') AND to_bucket = 'granted'
      ELSE false
    END
"""
TRANSFERS_BEFORE = """
    CASE kind
      WHEN 'grant'    THEN from_bucket IN ('granted', 'sold') AND to_bucket = 'available'
      WHEN 'hold'     THEN from_bucket = 'available' AND to_bucket = 'held'
      WHEN 'capture'  THEN from_bucket = 'held' AND to_bucket = 'spent'
      WHEN 'void'     THEN from_bucket = 'held' AND to_bucket = 'available'
      WHEN 'refund'   THEN from_bucket = 'spent' AND to_bucket = 'available'
      WHEN 'expire'   THEN from_bucket = 'available' AND to_bucket = 'expired'
      WHEN 'clawback' THEN from_bucket = 'available' AND to_bucket = 'clawed_back'
      WHEN 'adjust'   THEN (from_bucket, to_bucket) IN (('granted', 'available'), ('available', 'granted'))
      ELSE false
    END
"""

UPGRADE = (
    """
    ALTER TABLE credit_balances
        ADD COLUMN debt_micro bigint NOT NULL DEFAULT 0,
        ADD COLUMN version bigint NOT NULL DEFAULT 0,
        ADD CONSTRAINT ck_credit_balances_debt_micro CHECK (debt_micro >= 0)
    """,
    # A line's number and what the account had after it follow from the lines before.
    """
    ALTER TABLE credit_journal
        DISABLE TRIGGER append_only,
        ADD COLUMN seq bigint,
        ADD COLUMN available_after_micro bigint,
        ADD COLUMN held_after_micro bigint,
        ADD COLUMN debt_after_micro bigint,
        ADD COLUMN lot_id uuid,
        ADD COLUMN actor uuid,
        DROP CONSTRAINT ck_credit_journal_transfer
    """,
    """
    UPDATE credit_journal j
       SET seq = line.seq, available_after_micro = line.available, held_after_micro = line.held, debt_after_micro = 0
      FROM (SELECT id, row_number() OVER lines AS seq,
                   sum(CASE 'available' WHEN to_bucket THEN amount_micro WHEN from_bucket THEN -amount_micro ELSE 0 END)
                       OVER lines AS available,
                   sum(CASE 'held' WHEN to_bucket THEN amount_micro WHEN from_bucket THEN -amount_micro ELSE 0 END)
                       OVER lines AS held
              FROM credit_journal WINDOW lines AS (PARTITION BY account_id ORDER BY id)) AS line
     WHERE j.id = line.id
    """,
    f"""
    ALTER TABLE credit_journal
        ENABLE TRIGGER append_only,
        ALTER COLUMN seq SET NOT NULL,
        ALTER COLUMN available_after_micro SET NOT NULL,
        ALTER COLUMN held_after_micro SET NOT NULL,
        ALTER COLUMN debt_after_micro SET NOT NULL,
        ADD CONSTRAINT ck_credit_journal_transfer CHECK ({TRANSFERS})
    """,
    "DROP INDEX ix_credit_journal_account_id",
    "CREATE UNIQUE INDEX uq_credit_journal_seq ON credit_journal (account_id, seq)",
    """
    UPDATE credit_balances b
       SET version = (SELECT count(*) FROM credit_journal j WHERE j.account_id = b.account_id)
    """,
    """
    CREATE TABLE credit_lots (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        origin text NOT NULL,
        amount_micro bigint NOT NULL,
        remaining_micro bigint NOT NULL,
        held_micro bigint NOT NULL DEFAULT 0,
        live boolean NOT NULL GENERATED ALWAYS AS ((remaining_micro + held_micro) > 0) STORED,
        priority smallint NOT NULL,
        effective_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        external_ref text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_credit_lots PRIMARY KEY (id),
        CONSTRAINT ck_credit_lots_origin CHECK (origin IN ('promo', 'monthly', 'boost', 'admin', 'purchase')),
        CONSTRAINT ck_credit_lots_amount_micro CHECK (amount_micro > 0),
        CONSTRAINT ck_credit_lots_remaining_micro CHECK (remaining_micro >= 0),
        CONSTRAINT ck_credit_lots_held_micro CHECK (held_micro >= 0),
        CONSTRAINT ck_credit_lots_parts CHECK (remaining_micro + held_micro <= amount_micro),
        CONSTRAINT ck_credit_lots_period CHECK (effective_at < expires_at),
        CONSTRAINT fk_credit_lots_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
    ) WITH (fillfactor = 70)
    """,
    "CREATE UNIQUE INDEX uq_credit_lots_external_ref ON credit_lots (external_ref)",
    "CREATE INDEX ix_credit_lots_live ON credit_lots (account_id) WHERE live",
    "CREATE INDEX ix_credit_lots_lapsing ON credit_lots (expires_at) WHERE live AND expires_at IS NOT NULL",
    # What an account got so far becomes one lot that never lapses, and all its holds are on it.
    """
    INSERT INTO credit_lots (id, account_id, origin, amount_micro, remaining_micro, held_micro, priority, external_ref)
    SELECT gen_random_uuid(), b.account_id, 'admin', b.available_micro + b.held_micro + spent.micro, b.available_micro,
           b.held_micro, 30, 'grant:before lots:' || b.account_id
      FROM credit_balances b, LATERAL (SELECT coalesce(sum(captured_micro), 0)::bigint AS micro FROM credit_holds h
                                        WHERE h.account_id = b.account_id) AS spent
     WHERE b.available_micro + b.held_micro + spent.micro > 0
    """,
    """
    ALTER TABLE credit_holds
        ADD COLUMN refunded_micro bigint NOT NULL DEFAULT 0,
        ADD COLUMN lot_ids uuid[],
        ADD COLUMN lot_micro bigint[],
        ADD CONSTRAINT ck_credit_holds_refunded_micro CHECK (refunded_micro BETWEEN 0 AND coalesce(captured_micro, 0)),
        ADD CONSTRAINT ck_credit_holds_lots CHECK (cardinality(lot_ids) = cardinality(lot_micro))
    """,
    """
    UPDATE credit_holds h SET lot_ids = ARRAY[lot.id], lot_micro = ARRAY[h.amount_micro]
      FROM credit_lots lot WHERE lot.account_id = h.account_id
    """,
    "ALTER TABLE credit_holds ALTER COLUMN lot_ids SET NOT NULL, ALTER COLUMN lot_micro SET NOT NULL",
    "ALTER TABLE price_versions ADD COLUMN source text, ADD COLUMN actor uuid",
    "CREATE UNIQUE INDEX uq_price_versions_source ON price_versions (source)",
)

DOWNGRADE = (
    "ALTER TABLE price_versions DROP COLUMN source, DROP COLUMN actor",
    "ALTER TABLE credit_holds DROP COLUMN lot_ids, DROP COLUMN lot_micro, DROP COLUMN refunded_micro",
    "DROP TABLE credit_lots",
    "DROP INDEX uq_credit_journal_seq",
    # Lines of kinds that were unknown before stay as they are: a book is not rewritten.
    f"""
    ALTER TABLE credit_journal
        DROP CONSTRAINT ck_credit_journal_transfer,
        DROP COLUMN seq, DROP COLUMN available_after_micro, DROP COLUMN held_after_micro, DROP COLUMN debt_after_micro,
        DROP COLUMN lot_id, DROP COLUMN actor,
        ADD CONSTRAINT ck_credit_journal_transfer CHECK ({TRANSFERS_BEFORE}) NOT VALID
    """,
    "CREATE INDEX ix_credit_journal_account_id ON credit_journal (account_id, id)",
    "ALTER TABLE credit_balances DROP COLUMN debt_micro, DROP COLUMN version",
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
