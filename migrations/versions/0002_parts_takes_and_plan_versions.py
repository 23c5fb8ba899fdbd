"""What one part of a variant is made again for, which take of a scene's picture is wanted, and plans by version."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UPGRADE = (
    "ALTER TABLE users ADD COLUMN plan_version bigint NOT NULL DEFAULT 1",
    """
    ALTER TABLE generations
        ADD COLUMN part text,
        ADD COLUMN scene smallint,
        ADD CONSTRAINT ck_generations_part
            CHECK (part IN ('hook', 'caption', 'hashtags', 'scene_text', 'scene_picture')),
        ADD CONSTRAINT ck_generations_scene CHECK (scene >= 0),
        ADD CONSTRAINT ck_generations_targeted_has_part CHECK ((kind = 'regenerate_targeted') = (part IS NOT NULL)),
        ADD CONSTRAINT ck_generations_part_has_scene
            CHECK ((part IS NOT NULL AND part IN ('scene_text', 'scene_picture')) = (scene IS NOT NULL))
    """,
    """
    ALTER TABLE scenes
        ADD COLUMN take smallint NOT NULL DEFAULT 0,
        ADD CONSTRAINT ck_scenes_take CHECK (take >= 0)
    """,
    "DROP INDEX ix_generations_admitted",
    # What an account used in a period is then read from the index alone.
    """
    CREATE INDEX ix_generations_admitted ON generations (account_id, admitted_at)
        INCLUDE (generation_units, full_units, units_returned_at)
    """,
    # Which accounts were active of late, which a reconciliation asks every few minutes.
    "CREATE INDEX ix_generations_admitted_at ON generations (admitted_at, account_id)",
    # Rewriting one part is about a third of writing a story: 0.8 credits where a story is 2.5.
    """
    INSERT INTO action_costs (version, action, unit_micro)
    SELECT version, 'rewrite', round(unit_micro * 0.32) FROM action_costs WHERE action = 'story'
    """,
)

DOWNGRADE = (
    "DELETE FROM action_costs WHERE action = 'rewrite'",
    "DROP INDEX ix_generations_admitted_at",
    "DROP INDEX ix_generations_admitted",
    "CREATE INDEX ix_generations_admitted ON generations (account_id, admitted_at)",
    "ALTER TABLE scenes DROP COLUMN take",
    "ALTER TABLE generations DROP COLUMN part, DROP COLUMN scene",  # and with them the constraints on them
    "ALTER TABLE users DROP COLUMN plan_version",
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
