"""Where work pauses by wish, and what is ingested."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# NOT VALID and VALIDATE apart: the scan of rows that are there then holds nobody up.
UPGRADE: tuple[str, ...] = (
    "ALTER TABLE generations ADD COLUMN pause_after text",
    """
    ALTER TABLE generations ADD CONSTRAINT ck_generations_pause_after CHECK (
        pause_after IN ('INGESTION', 'STORY_WRITING', 'SCENE_GENERATION', 'VISUAL_GENERATION', 'VISUAL_VERIFICATION',
                        'VIDEO_GENERATION', 'TTS_GENERATION', 'AUDIO_MIXING', 'VIDEO_ASSEMBLY')) NOT VALID
    """,
    "ALTER TABLE generations VALIDATE CONSTRAINT ck_generations_pause_after",
    "ALTER TABLE drafts ADD COLUMN source_form text NOT NULL DEFAULT 'page'",
    "ALTER TABLE drafts ADD COLUMN source_entry text",
    """
    ALTER TABLE drafts ADD CONSTRAINT ck_drafts_source_form
        CHECK (source_form IN ('page', 'feed', 'youtube')) NOT VALID
    """,
    "ALTER TABLE drafts VALIDATE CONSTRAINT ck_drafts_source_form",
    "ALTER TABLE sources DROP CONSTRAINT ck_sources_kind",
    """
    ALTER TABLE sources ADD CONSTRAINT ck_sources_kind
        CHECK (kind IN ('url', 'rss', 'youtube', 'text', 'encyclopaedia', 'none')) NOT VALID
    """,
    "ALTER TABLE sources VALIDATE CONSTRAINT ck_sources_kind",
)
DOWNGRADE: tuple[str, ...] = (
    "UPDATE sources SET kind = 'url' WHERE kind IN ('rss', 'youtube')",
    "ALTER TABLE sources DROP CONSTRAINT ck_sources_kind",
    "ALTER TABLE sources ADD CONSTRAINT ck_sources_kind CHECK (kind IN ('url', 'text', 'encyclopaedia', 'none'))",
    "ALTER TABLE drafts DROP COLUMN source_entry, DROP COLUMN source_form",
    "ALTER TABLE generations DROP COLUMN pause_after",
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
