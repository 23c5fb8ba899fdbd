"""What stories remember, and where reels were published."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    "ALTER TABLE variants ADD COLUMN look jsonb",
    """
    CREATE TABLE publications (
        generation_id uuid NOT NULL,
        platform text NOT NULL,
        state text NOT NULL DEFAULT 'begun',
        session bytea,
        whole boolean NOT NULL DEFAULT false,
        external_id text,
        held_until timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        published_at timestamptz,
        CONSTRAINT pk_publications PRIMARY KEY (generation_id, platform),
        CONSTRAINT fk_publications_generation_id_generations FOREIGN KEY (generation_id)
            REFERENCES generations (id) ON DELETE CASCADE,
        CONSTRAINT ck_publications_state CHECK (state IN ('begun', 'published', 'unknown')),
        CONSTRAINT ck_publications_known CHECK ((state = 'published') = (external_id IS NOT NULL))
    )
    """,
)
DOWNGRADE: tuple[str, ...] = ("DROP TABLE publications", "ALTER TABLE variants DROP COLUMN look")


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
