"""Another voice for a scene, scenes that keep their picture's seed where they move, and what a run was made from."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_PARTS = "'hook', 'caption', 'hashtags', 'scene_text', 'scene_picture'"
_OF_SCENE = "'scene_text', 'scene_picture'"


def _checked(parts: str, of_scene: str) -> tuple[str, ...]:
    return (
        f"""
        ALTER TABLE generations DROP CONSTRAINT ck_generations_part, DROP CONSTRAINT ck_generations_part_has_scene,
            ADD CONSTRAINT ck_generations_part CHECK (part IN ({parts})) NOT VALID,
            ADD CONSTRAINT ck_generations_part_has_scene
                CHECK ((part IS NOT NULL AND part IN ({of_scene})) = (scene IS NOT NULL)) NOT VALID
        """,
        "ALTER TABLE generations VALIDATE CONSTRAINT ck_generations_part",
        "ALTER TABLE generations VALIDATE CONSTRAINT ck_generations_part_has_scene",
    )


UPGRADE = (
    *_checked(f"{_PARTS}, 'scene_voice'", f"{_OF_SCENE}, 'scene_voice'"),
    """
    ALTER TABLE scenes ADD COLUMN voice_take smallint NOT NULL DEFAULT 0, ADD COLUMN seed integer,
        ADD CONSTRAINT ck_scenes_voice_take CHECK (voice_take >= 0)
    """,
    """
    ALTER TABLE stage_runs ADD COLUMN inputs_hash text,
        ADD CONSTRAINT ck_stage_runs_inputs_hash CHECK (inputs_hash ~ '^[0-9a-f]{64}$')
    """,
)
DOWNGRADE = (
    "UPDATE generations SET part = 'scene_picture' WHERE part = 'scene_voice'",
    *_checked(_PARTS, _OF_SCENE),
    "ALTER TABLE scenes DROP COLUMN voice_take, DROP COLUMN seed",
    "ALTER TABLE stage_runs DROP COLUMN inputs_hash",
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
