"""What people keep and bring: assets, uploads, voices, music."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MEDIA: tuple[str, ...] = (
    """
    CREATE TABLE media (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        kind text NOT NULL,
        name text NOT NULL,
        key text NOT NULL,
        media_type text NOT NULL,
        size_bytes bigint NOT NULL,
        sha256 text NOT NULL,
        source_sha256 text NOT NULL,
        width integer,
        height integer,
        duration_ms integer,
        created_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz,
        CONSTRAINT pk_media PRIMARY KEY (id),
        CONSTRAINT uq_media_key UNIQUE (key),
        CONSTRAINT fk_media_account_id_users FOREIGN KEY (account_id) REFERENCES users (id),
        CONSTRAINT ck_media_kind CHECK (kind IN ('picture', 'audio', 'video')),
        CONSTRAINT ck_media_size_bytes CHECK (size_bytes > 0),
        CONSTRAINT ck_media_hashes CHECK (sha256 ~ '^[0-9a-f]{64}$' AND source_sha256 ~ '^[0-9a-f]{64}$')
    )
    """,
    "CREATE INDEX ix_media_account_id ON media (account_id, created_at DESC, id DESC) WHERE deleted_at IS NULL",
    "CREATE INDEX ix_media_kind ON media (account_id, kind, created_at DESC, id DESC) WHERE deleted_at IS NULL",
    "CREATE UNIQUE INDEX uq_media_source ON media (account_id, source_sha256) WHERE deleted_at IS NULL",
    """
    CREATE TABLE loose_files (
        key text NOT NULL,
        doomed boolean NOT NULL DEFAULT false,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pk_loose_files PRIMARY KEY (key)
    )
    """,
    "DROP INDEX ix_assets_tags, ix_assets_artefact_id",
    """
    ALTER TABLE assets
        DROP COLUMN artefact_id,
        DROP CONSTRAINT fk_assets_draft_id_drafts,
        DROP CONSTRAINT fk_assets_variant_id_variants,
        DROP CONSTRAINT fk_assets_generation_id_generations,
        ADD COLUMN terms bigint[] NOT NULL DEFAULT '{}',
        ADD COLUMN media_id uuid,
        ADD COLUMN media_type text,
        ADD COLUMN size_bytes bigint,
        ADD COLUMN sha256 text,
        ADD COLUMN duration_ms integer,
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT fk_assets_draft_id_drafts FOREIGN KEY (draft_id) REFERENCES drafts (id) ON DELETE SET NULL,
        ADD CONSTRAINT fk_assets_variant_id_variants
            FOREIGN KEY (variant_id) REFERENCES variants (id) ON DELETE SET NULL,
        ADD CONSTRAINT fk_assets_generation_id_generations
            FOREIGN KEY (generation_id) REFERENCES generations (id) ON DELETE SET NULL,
        ADD CONSTRAINT fk_assets_media_id_media FOREIGN KEY (media_id) REFERENCES media (id) ON DELETE SET NULL,
        ADD CONSTRAINT ck_assets_file CHECK ((kind = 'text') = (storage_key IS NULL)),
        ADD CONSTRAINT ck_assets_file_known CHECK (num_nulls(storage_key, media_type, size_bytes, sha256) IN (0, 4))
    """,
    "ALTER TABLE assets RENAME COLUMN meta TO words",
    "CREATE INDEX ix_assets_media_id ON assets (media_id)",
    "CREATE INDEX ix_assets_terms ON assets USING gin (terms) WITH (fastupdate = off) WHERE deleted_at IS NULL",
    """
    CREATE INDEX ix_assets_storage_key ON assets (storage_key)
     WHERE deleted_at IS NULL AND storage_key IS NOT NULL
    """,
    """
    CREATE INDEX ix_assets_uploads ON assets (account_id) INCLUDE (storage_key, size_bytes)
     WHERE deleted_at IS NULL AND kind = 'upload'
    """,
)
UNDO_MEDIA: tuple[str, ...] = (
    "DROP INDEX ix_assets_terms, ix_assets_storage_key, ix_assets_uploads",
    "ALTER TABLE assets RENAME COLUMN words TO meta",
    """
    ALTER TABLE assets
        DROP CONSTRAINT ck_assets_file,
        DROP CONSTRAINT ck_assets_file_known,
        DROP CONSTRAINT fk_assets_draft_id_drafts,
        DROP CONSTRAINT fk_assets_variant_id_variants,
        DROP CONSTRAINT fk_assets_generation_id_generations,
        DROP COLUMN terms,
        DROP COLUMN media_id,
        DROP COLUMN media_type,
        DROP COLUMN size_bytes,
        DROP COLUMN sha256,
        DROP COLUMN duration_ms,
        DROP COLUMN version,
        ADD COLUMN artefact_id uuid,
        ADD CONSTRAINT fk_assets_draft_id_drafts FOREIGN KEY (draft_id) REFERENCES drafts (id),
        ADD CONSTRAINT fk_assets_variant_id_variants FOREIGN KEY (variant_id) REFERENCES variants (id),
        ADD CONSTRAINT fk_assets_generation_id_generations FOREIGN KEY (generation_id) REFERENCES generations (id),
        ADD CONSTRAINT fk_assets_artefact_id_artefacts FOREIGN KEY (artefact_id) REFERENCES artefacts (id)
    """,
    "CREATE INDEX ix_assets_artefact_id ON assets (artefact_id)",
    "CREATE INDEX ix_assets_tags ON assets USING gin (tags)",
    "DROP TABLE loose_files",
    "DROP TABLE media",
)

UPGRADE = MEDIA
DOWNGRADE = UNDO_MEDIA


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
