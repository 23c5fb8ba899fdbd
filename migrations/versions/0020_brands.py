"""Brand kits, and how captions look."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UPGRADE: tuple[str, ...] = (
    """
    CREATE TABLE brand_kits (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        name text NOT NULL,
        font text NOT NULL,
        text_colour text NOT NULL,
        highlight_colour text NOT NULL,
        box_colour text,
        logo_media_id uuid,
        logo_corner text NOT NULL DEFAULT 'top_right',
        logo_share double precision NOT NULL DEFAULT 0.15,
        intro_text text,
        intro_ms integer NOT NULL DEFAULT 1500,
        outro_text text,
        outro_ms integer NOT NULL DEFAULT 1500,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_brand_kits PRIMARY KEY (id),
        CONSTRAINT fk_brand_kits_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT fk_brand_kits_logo_media_id_media FOREIGN KEY (logo_media_id) REFERENCES media (id),
        CONSTRAINT ck_brand_kits_colours CHECK (
            text_colour ~ '^#[0-9A-F]{6}$' AND highlight_colour ~ '^#[0-9A-F]{6}$' AND box_colour ~ '^#[0-9A-F]{6}$'),
        CONSTRAINT ck_brand_kits_logo_corner CHECK (
            logo_corner IN ('top_left', 'top_right', 'bottom_left', 'bottom_right')),
        CONSTRAINT ck_brand_kits_logo_share CHECK (logo_share BETWEEN 0.05 AND 0.25),
        CONSTRAINT ck_brand_kits_titles CHECK (
            char_length(intro_text) BETWEEN 1 AND 60 AND char_length(outro_text) BETWEEN 1 AND 60),
        CONSTRAINT ck_brand_kits_lengths CHECK (intro_ms BETWEEN 1000 AND 2000 AND outro_ms BETWEEN 1000 AND 2000)
    )
    """,
    "CREATE INDEX ix_brand_kits_account_id ON brand_kits (account_id, created_at DESC, id DESC)",
    "CREATE INDEX ix_brand_kits_logo_media_id ON brand_kits (logo_media_id) WHERE logo_media_id IS NOT NULL",
    """
    ALTER TABLE drafts
        ADD COLUMN caption_style text NOT NULL DEFAULT 'classic',
        ADD COLUMN brand_kit_id uuid,
        ADD CONSTRAINT ck_drafts_caption_style CHECK (
            caption_style IN ('classic', 'box', 'karaoke', 'pop', 'subtitle'))
    """,
    "CREATE INDEX ix_drafts_brand_kit_id ON drafts (brand_kit_id) WHERE brand_kit_id IS NOT NULL",
    "ALTER TABLE generations ADD COLUMN brand jsonb",
    # A preview has a ninth of the pixels, and no search to speak of.
    """
    INSERT INTO action_costs (version, action, unit_micro)
    SELECT version, 'preview', round(unit_micro * 0.25) FROM action_costs WHERE action = 'render'
    """,
)
DOWNGRADE: tuple[str, ...] = (
    "DELETE FROM action_costs WHERE action = 'preview'",
    "ALTER TABLE generations DROP COLUMN brand",
    "DROP INDEX ix_drafts_brand_kit_id",
    "ALTER TABLE drafts DROP COLUMN caption_style, DROP COLUMN brand_kit_id",
    "DROP TABLE brand_kits",
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
