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

SOUND: tuple[str, ...] = (
    """
    CREATE TABLE voice_profiles (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        name text NOT NULL,
        voice text NOT NULL,
        speed double precision NOT NULL,
        pitch smallint NOT NULL,
        gap_ms integer,
        version integer DEFAULT '1' NOT NULL,
        created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
        updated_at timestamptz DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_voice_profiles PRIMARY KEY (id),
        CONSTRAINT ck_voice_profiles_speed CHECK (speed BETWEEN 0.8 AND 1.25),
        CONSTRAINT ck_voice_profiles_pitch CHECK (pitch BETWEEN -4 AND 4),
        CONSTRAINT ck_voice_profiles_gap_ms CHECK (gap_ms BETWEEN 0 AND 2000),
        CONSTRAINT fk_voice_profiles_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_voice_profiles_account_id ON voice_profiles (account_id, created_at DESC, id DESC)",
    """
    CREATE TABLE voice_defaults (
        account_id uuid NOT NULL,
        voice text,
        profile_id uuid,
        CONSTRAINT pk_voice_defaults PRIMARY KEY (account_id),
        CONSTRAINT ck_voice_defaults_one_voice CHECK (num_nonnulls(voice, profile_id) = 1),
        CONSTRAINT fk_voice_defaults_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT fk_voice_defaults_profile_id_voice_profiles
            FOREIGN KEY (profile_id) REFERENCES voice_profiles (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_voice_defaults_profile_id ON voice_defaults (profile_id) WHERE profile_id IS NOT NULL",
    """
    CREATE TABLE tracks (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        media_id uuid NOT NULL,
        title text NOT NULL,
        mood text NOT NULL,
        genre text NOT NULL,
        licence text NOT NULL,
        attribution text DEFAULT '' NOT NULL,
        bpm double precision,
        first_beat_ms integer DEFAULT '0' NOT NULL,
        status text DEFAULT 'preparing' NOT NULL,
        duration_ms integer,
        storage_key text,
        sha256 text,
        created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_tracks PRIMARY KEY (id),
        CONSTRAINT ck_tracks_status CHECK (status IN ('preparing', 'ready', 'unusable')),
        CONSTRAINT ck_tracks_licence CHECK (licence IN ('own', 'licensed', 'public_domain', 'cc0', 'cc_by')),
        CONSTRAINT ck_tracks_attribution CHECK (licence <> 'cc_by' OR attribution <> ''),
        CONSTRAINT ck_tracks_bpm CHECK (bpm BETWEEN 30 AND 300),
        CONSTRAINT ck_tracks_ready_has_file
            CHECK (status <> 'ready' OR num_nulls(storage_key, sha256, duration_ms) = 0),
        CONSTRAINT fk_tracks_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_tracks_account_id ON tracks (account_id, created_at DESC, id DESC)",
    "CREATE INDEX ix_tracks_storage_key ON tracks (storage_key) WHERE storage_key IS NOT NULL",
    """
    CREATE TABLE sound_jobs (
        id uuid NOT NULL,
        account_id uuid,
        kind text NOT NULL,
        wish jsonb NOT NULL,
        state text DEFAULT 'queued' NOT NULL,
        attempt integer DEFAULT '0' NOT NULL,
        due_at timestamptz DEFAULT clock_timestamp() NOT NULL,
        storage_key text,
        sha256 text,
        size_bytes bigint,
        duration_ms integer,
        failure_code text,
        failure_sentence text,
        asked_at timestamptz DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_sound_jobs PRIMARY KEY (id),
        CONSTRAINT ck_sound_jobs_kind CHECK (kind IN ('voice', 'excerpt', 'track')),
        CONSTRAINT ck_sound_jobs_state CHECK (state IN ('queued', 'ready', 'failed')),
        CONSTRAINT ck_sound_jobs_failure_has_code CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
        CONSTRAINT ck_sound_jobs_attempt CHECK (attempt >= 0),
        CONSTRAINT fk_sound_jobs_account_id_users FOREIGN KEY (account_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_sound_jobs_account_id ON sound_jobs (account_id) WHERE account_id IS NOT NULL",
    "CREATE INDEX ix_sound_jobs_asked_at ON sound_jobs (asked_at)",
    "CREATE INDEX ix_sound_jobs_due_at ON sound_jobs (due_at) WHERE state = 'queued'",
    "CREATE INDEX ix_sound_jobs_storage_key ON sound_jobs (storage_key) WHERE storage_key IS NOT NULL",
    "ALTER TABLE generations ADD COLUMN sound jsonb",
)
UNDO_SOUND: tuple[str, ...] = (
    "ALTER TABLE generations DROP COLUMN sound",
    "DROP TABLE sound_jobs, tracks, voice_defaults, voice_profiles",
)

UPGRADE = (*MEDIA, *SOUND)
DOWNGRADE = (*UNDO_SOUND, *UNDO_MEDIA)


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
