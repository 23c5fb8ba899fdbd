CREATE TABLE price_versions (
    version integer NOT NULL,
    effective_from timestamptz NOT NULL DEFAULT now(),
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_price_versions PRIMARY KEY (version)
);

CREATE INDEX ix_price_versions_effective_from ON price_versions (effective_from);

CREATE TABLE providers (
    name text NOT NULL,
    title text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_providers PRIMARY KEY (name)
);

CREATE TABLE users (
    id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL DEFAULT 'user',
    plan text NOT NULL DEFAULT 'basic',
    demo boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_role CHECK (role IN ('user', 'admin')),
    CONSTRAINT ck_users_plan CHECK (plan IN ('basic', 'standard', 'pro')),
    CONSTRAINT ck_users_email_length CHECK (char_length(email) BETWEEN 3 AND 254)
);

CREATE UNIQUE INDEX uq_users_email_lower ON users (lower(email)) WHERE deleted_at IS NULL;

CREATE TABLE action_costs (
    version integer NOT NULL,
    action text NOT NULL,
    unit_micro bigint NOT NULL,
    CONSTRAINT pk_action_costs PRIMARY KEY (version, action),
    CONSTRAINT ck_action_costs_unit_micro CHECK (unit_micro >= 0),
    CONSTRAINT fk_action_costs_version_price_versions FOREIGN KEY(version) REFERENCES price_versions (version)
);

CREATE TABLE api_keys (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    live boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_secret_is_hashed CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT ck_api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT fk_api_keys_account_id_users FOREIGN KEY(account_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX ix_api_keys_account_id ON api_keys (account_id, created_at);

CREATE UNIQUE INDEX uq_api_keys_secret_hash ON api_keys (secret_hash);

CREATE TABLE boosts (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    source text,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_boosts PRIMARY KEY (id),
    CONSTRAINT ck_boosts_period CHECK (starts_at < ends_at),
    CONSTRAINT fk_boosts_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
);

CREATE INDEX ix_boosts_account_id ON boosts (account_id, ends_at);

CREATE UNIQUE INDEX uq_boosts_source ON boosts (source);

CREATE TABLE credit_balances (
    account_id uuid NOT NULL,
    available_micro bigint NOT NULL DEFAULT '0',
    held_micro bigint NOT NULL DEFAULT '0',
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_credit_balances PRIMARY KEY (account_id),
    CONSTRAINT ck_credit_balances_available_micro CHECK (available_micro >= 0),
    CONSTRAINT ck_credit_balances_held_micro CHECK (held_micro >= 0),
    CONSTRAINT fk_credit_balances_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
)
 WITH (fillfactor = 70);

CREATE TABLE credit_journal (
    id bigint GENERATED ALWAYS AS IDENTITY,
    account_id uuid NOT NULL,
    kind text NOT NULL,
    from_bucket text NOT NULL,
    to_bucket text NOT NULL,
    amount_micro bigint NOT NULL,
    generation_id uuid,
    source text NOT NULL,
    reason text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_credit_journal PRIMARY KEY (id),
    CONSTRAINT ck_credit_journal_amount_micro CHECK (amount_micro > 0),
    CONSTRAINT ck_credit_journal_transfer CHECK (
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
),
    CONSTRAINT fk_credit_journal_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
);

CREATE INDEX ix_credit_journal_account_id ON credit_journal (account_id, id);

CREATE INDEX ix_credit_journal_generation_id ON credit_journal (generation_id) WHERE generation_id IS NOT NULL;

CREATE UNIQUE INDEX uq_credit_journal_source ON credit_journal (source);

CREATE TABLE drafts (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    topic text,
    source_url text,
    source_text text,
    platform text NOT NULL,
    tone text NOT NULL,
    language text NOT NULL,
    duration_s integer NOT NULL,
    aspect text NOT NULL,
    voice text NOT NULL,
    music text NOT NULL,
    selected_variant uuid,
    version integer NOT NULL DEFAULT '1',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT pk_drafts PRIMARY KEY (id),
    CONSTRAINT ck_drafts_one_source CHECK (num_nonnulls(topic, source_url, source_text) = 1),
    CONSTRAINT ck_drafts_platform CHECK (platform IN ('tiktok', 'reels', 'shorts')),
    CONSTRAINT ck_drafts_tone CHECK (tone IN ('calm', 'curious', 'energetic', 'serious', 'warm')),
    CONSTRAINT ck_drafts_aspect CHECK (aspect IN ('9:16', '1:1', '16:9')),
    CONSTRAINT ck_drafts_duration_s CHECK (duration_s > 0),
    CONSTRAINT fk_drafts_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
);

CREATE INDEX ix_drafts_account_id ON drafts (account_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE INDEX ix_drafts_selected_variant ON drafts (selected_variant) WHERE selected_variant IS NOT NULL;

CREATE TABLE provider_models (
    provider text NOT NULL,
    model text NOT NULL,
    craft text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    interactive_places integer NOT NULL,
    batch_places integer NOT NULL,
    prompt_token_nano_usd bigint NOT NULL DEFAULT '0',
    completion_token_nano_usd bigint NOT NULL DEFAULT '0',
    image_nano_usd bigint NOT NULL DEFAULT '0',
    character_nano_usd bigint NOT NULL DEFAULT '0',
    audio_second_nano_usd bigint NOT NULL DEFAULT '0',
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_provider_models PRIMARY KEY (provider, model, craft),
    CONSTRAINT ck_provider_models_craft CHECK (craft IN ('text', 'picture', 'vision', 'speech', 'music')),
    CONSTRAINT ck_provider_models_places CHECK (interactive_places > 0 AND batch_places > 0),
    CONSTRAINT ck_provider_models_prices CHECK (prompt_token_nano_usd >= 0 AND completion_token_nano_usd >= 0 AND image_nano_usd >= 0 AND character_nano_usd >= 0 AND audio_second_nano_usd >= 0),
    CONSTRAINT fk_provider_models_provider_providers FOREIGN KEY(provider) REFERENCES providers (name)
);

CREATE TABLE subscriptions (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    plan text NOT NULL,
    status text NOT NULL,
    external_id text,
    external_customer_id text,
    period_start timestamptz,
    period_end timestamptz,
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_subscriptions PRIMARY KEY (id),
    CONSTRAINT ck_subscriptions_plan CHECK (plan IN ('basic', 'standard', 'pro')),
    CONSTRAINT ck_subscriptions_status CHECK (status IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'unpaid', 'canceled', 'paused')),
    CONSTRAINT ck_subscriptions_period CHECK (period_start < period_end),
    CONSTRAINT fk_subscriptions_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
);

CREATE INDEX ix_subscriptions_account_id ON subscriptions (account_id, status);

CREATE INDEX ix_subscriptions_external_customer_id ON subscriptions (external_customer_id);

CREATE UNIQUE INDEX uq_subscriptions_external_id ON subscriptions (external_id);

CREATE TABLE usage_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY,
    account_id uuid NOT NULL,
    generation_id uuid NOT NULL,
    run_id uuid NOT NULL,
    fence bigint NOT NULL,
    call_no integer NOT NULL,
    stage text NOT NULL,
    scene smallint,
    action text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    outcome text NOT NULL DEFAULT 'succeeded',
    quantity bigint NOT NULL,
    prompt_tokens bigint NOT NULL DEFAULT '0',
    completion_tokens bigint NOT NULL DEFAULT '0',
    images integer NOT NULL DEFAULT '0',
    characters bigint NOT NULL DEFAULT '0',
    wall_ms bigint NOT NULL DEFAULT '0',
    cost_nano_usd bigint NOT NULL DEFAULT '0',
    credits_micro bigint NOT NULL,
    plan text NOT NULL,
    price_version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_usage_ledger PRIMARY KEY (id),
    CONSTRAINT ck_usage_ledger_outcome CHECK (outcome IN ('succeeded', 'failed')),
    CONSTRAINT ck_usage_ledger_amounts CHECK (quantity >= 0 AND credits_micro >= 0 AND cost_nano_usd >= 0),
    CONSTRAINT ck_usage_ledger_measures CHECK (prompt_tokens >= 0 AND completion_tokens >= 0 AND images >= 0 AND characters >= 0 AND wall_ms >= 0),
    CONSTRAINT ck_usage_ledger_failures_are_free CHECK (outcome = 'succeeded' OR credits_micro = 0),
    CONSTRAINT fk_usage_ledger_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
);

CREATE INDEX ix_usage_ledger_account_id ON usage_ledger (account_id, at);

CREATE INDEX ix_usage_ledger_at ON usage_ledger (at);

CREATE INDEX ix_usage_ledger_generation_id ON usage_ledger (generation_id);

CREATE UNIQUE INDEX uq_usage_ledger_call ON usage_ledger (run_id, fence, call_no);

CREATE UNIQUE INDEX uq_usage_ledger_success ON usage_ledger (run_id, call_no) WHERE outcome = 'succeeded';

CREATE TABLE generations (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    draft_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    fingerprint bytea NOT NULL,
    plan text NOT NULL,
    price_version integer NOT NULL,
    hold_micro bigint NOT NULL,
    lane text NOT NULL,
    variants_wanted smallint NOT NULL DEFAULT '1',
    generation_units smallint NOT NULL DEFAULT '1',
    full_units smallint NOT NULL DEFAULT '0',
    units_returned_at timestamptz,
    variant_id uuid,
    demo boolean NOT NULL DEFAULT false,
    request_id text,
    admitted_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    failure_code text,
    failure_sentence text,
    gate jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    event_seq bigint NOT NULL DEFAULT '0',
    CONSTRAINT pk_generations PRIMARY KEY (id),
    CONSTRAINT ck_generations_kind CHECK (kind IN ('script', 'video', 'render', 'regenerate_targeted', 'regenerate_full')),
    CONSTRAINT ck_generations_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT ck_generations_lane CHECK (lane IN ('interactive', 'batch')),
    CONSTRAINT ck_generations_ended_at CHECK ((state IN ('queued', 'running')) = (ended_at IS NULL)),
    CONSTRAINT ck_generations_started_at CHECK (state NOT IN ('running', 'succeeded') OR started_at IS NOT NULL),
    CONSTRAINT ck_generations_not_yet_started CHECK (state <> 'queued' OR started_at IS NULL),
    CONSTRAINT ck_generations_failure_has_code CHECK (state <> 'failed' OR failure_code IS NOT NULL),
    CONSTRAINT ck_generations_only_failures_have_code CHECK (state IN ('failed', 'cancelled') OR failure_code IS NULL),
    CONSTRAINT ck_generations_failure_sentence CHECK ((failure_code IS NULL) = (failure_sentence IS NULL)),
    CONSTRAINT ck_generations_hold_micro CHECK (hold_micro >= 0),
    CONSTRAINT ck_generations_variants_wanted CHECK (variants_wanted >= 1),
    CONSTRAINT ck_generations_units CHECK (generation_units >= 0 AND full_units >= 0),
    CONSTRAINT fk_generations_account_id_users FOREIGN KEY(account_id) REFERENCES users (id),
    CONSTRAINT fk_generations_draft_id_drafts FOREIGN KEY(draft_id) REFERENCES drafts (id),
    CONSTRAINT fk_generations_price_version_price_versions FOREIGN KEY(price_version) REFERENCES price_versions (version)
);

CREATE INDEX ix_generations_account_id ON generations (account_id, created_at DESC, id DESC);

CREATE INDEX ix_generations_admitted ON generations (account_id, admitted_at);

CREATE INDEX ix_generations_deadline_at ON generations (deadline_at) WHERE ended_at IS NULL;

CREATE INDEX ix_generations_draft_id ON generations (draft_id, created_at);

CREATE INDEX ix_generations_live ON generations (account_id) WHERE ended_at IS NULL;

CREATE INDEX ix_generations_price_version ON generations (price_version);

CREATE INDEX ix_generations_variant_id ON generations (variant_id) WHERE variant_id IS NOT NULL;

CREATE TABLE credit_holds (
    generation_id uuid NOT NULL,
    attempt smallint NOT NULL,
    account_id uuid NOT NULL,
    amount_micro bigint NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    captured_micro bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CONSTRAINT pk_credit_holds PRIMARY KEY (generation_id, attempt),
    CONSTRAINT ck_credit_holds_amount_micro CHECK (amount_micro > 0),
    CONSTRAINT ck_credit_holds_state CHECK (state IN ('pending', 'captured', 'voided')),
    CONSTRAINT ck_credit_holds_settled_at CHECK ((state = 'pending') = (settled_at IS NULL)),
    CONSTRAINT ck_credit_holds_captured CHECK ((state = 'captured') = (captured_micro IS NOT NULL)),
    CONSTRAINT ck_credit_holds_captured_micro CHECK (captured_micro BETWEEN 0 AND amount_micro),
    CONSTRAINT fk_credit_holds_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id),
    CONSTRAINT fk_credit_holds_account_id_users FOREIGN KEY(account_id) REFERENCES users (id)
);

CREATE INDEX ix_credit_holds_account_id ON credit_holds (account_id, state);

CREATE UNIQUE INDEX uq_credit_holds_pending ON credit_holds (generation_id) WHERE state = 'pending';

CREATE TABLE generation_events (
    generation_id uuid NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    data jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_generation_events PRIMARY KEY (generation_id, seq),
    CONSTRAINT fk_generation_events_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE
);

CREATE TABLE sources (
    generation_id uuid NOT NULL,
    draft_id uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    summary text NOT NULL,
    language text NOT NULL,
    attribution jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_sources PRIMARY KEY (generation_id),
    CONSTRAINT ck_sources_kind CHECK (kind IN ('url', 'text', 'encyclopaedia', 'none')),
    CONSTRAINT fk_sources_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE,
    CONSTRAINT fk_sources_draft_id_drafts FOREIGN KEY(draft_id) REFERENCES drafts (id) ON DELETE CASCADE
);

CREATE INDEX ix_sources_draft_id ON sources (draft_id, created_at);

CREATE TABLE stage_runs (
    id uuid NOT NULL,
    generation_id uuid NOT NULL,
    stage text NOT NULL,
    scene smallint,
    chunk smallint,
    round smallint NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    attempt smallint NOT NULL DEFAULT '0',
    max_attempts smallint NOT NULL,
    fence bigint NOT NULL DEFAULT '0',
    won_fence bigint,
    lease_until timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resends smallint NOT NULL DEFAULT '0',
    progress real NOT NULL DEFAULT '0',
    error_code text,
    result jsonb,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT pk_stage_runs PRIMARY KEY (id),
    CONSTRAINT ck_stage_runs_stage CHECK (stage IN ('INGESTION', 'STORY_WRITING', 'SCENE_GENERATION', 'VISUAL_GENERATION', 'VISUAL_VERIFICATION', 'VIDEO_GENERATION', 'TTS_GENERATION', 'AUDIO_MIXING', 'VIDEO_ASSEMBLY')),
    CONSTRAINT ck_stage_runs_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT ck_stage_runs_lease_until CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT ck_stage_runs_finished_at CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL)),
    CONSTRAINT ck_stage_runs_started_at CHECK (state NOT IN ('running', 'succeeded') OR started_at IS NOT NULL),
    CONSTRAINT ck_stage_runs_won_fence CHECK ((state = 'succeeded') = (won_fence IS NOT NULL)),
    CONSTRAINT ck_stage_runs_won_fence_was_given CHECK (won_fence <= fence),
    CONSTRAINT ck_stage_runs_failure_has_code CHECK (state <> 'failed' OR error_code IS NOT NULL),
    CONSTRAINT ck_stage_runs_attempt CHECK (attempt BETWEEN 0 AND max_attempts),
    CONSTRAINT ck_stage_runs_progress CHECK (progress BETWEEN 0 AND 1),
    CONSTRAINT uq_stage_runs_unit UNIQUE NULLS NOT DISTINCT (generation_id, stage, scene, chunk, round),
    CONSTRAINT fk_stage_runs_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE
)
 WITH (fillfactor = 80);

CREATE INDEX ix_stage_runs_live ON stage_runs (id) WHERE state IN ('queued', 'running');

CREATE TABLE variants (
    id uuid NOT NULL,
    draft_id uuid NOT NULL,
    generation_id uuid NOT NULL,
    position smallint NOT NULL,
    title text NOT NULL,
    hook text NOT NULL,
    synopsis text NOT NULL,
    arc text[] NOT NULL,
    beats jsonb NOT NULL,
    caption text NOT NULL,
    hashtags text[] NOT NULL,
    attribution jsonb,
    outline boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT '1',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_variants PRIMARY KEY (id),
    CONSTRAINT uq_variants_generation_id_position UNIQUE (generation_id, position),
    CONSTRAINT uq_variants_id_draft_id UNIQUE (id, draft_id),
    CONSTRAINT fk_variants_draft_id_drafts FOREIGN KEY(draft_id) REFERENCES drafts (id) ON DELETE CASCADE,
    CONSTRAINT fk_variants_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE
);

CREATE INDEX ix_variants_draft_id ON variants (draft_id, created_at);

CREATE TABLE artefacts (
    id uuid NOT NULL,
    generation_id uuid NOT NULL,
    run_id uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    media_type text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    inputs_hash text NOT NULL,
    scene smallint,
    chunk smallint,
    round smallint NOT NULL,
    meta jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_artefacts PRIMARY KEY (id),
    CONSTRAINT ck_artefacts_size_bytes CHECK (size_bytes >= 0),
    CONSTRAINT ck_artefacts_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_artefacts_inputs_hash CHECK (inputs_hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT uq_artefacts_run_id_kind UNIQUE (run_id, kind),
    CONSTRAINT fk_artefacts_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE,
    CONSTRAINT fk_artefacts_run_id_stage_runs FOREIGN KEY(run_id) REFERENCES stage_runs (id) ON DELETE CASCADE
);

CREATE INDEX ix_artefacts_generation_id ON artefacts (generation_id, kind);

CREATE INDEX ix_artefacts_inputs_hash ON artefacts (inputs_hash);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    generation_id uuid NOT NULL,
    run_id uuid NOT NULL,
    body bytea NOT NULL,
    deliver_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_until timestamptz,
    published_at timestamptz,
    message_id text,
    attempts integer NOT NULL DEFAULT '0',
    parked_at timestamptz,
    parked_reason text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT ck_outbox_published_or_parked CHECK (published_at IS NULL OR parked_at IS NULL),
    CONSTRAINT ck_outbox_parked_has_reason CHECK ((parked_at IS NULL) = (parked_reason IS NULL)),
    CONSTRAINT fk_outbox_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id) ON DELETE CASCADE,
    CONSTRAINT fk_outbox_run_id_stage_runs FOREIGN KEY(run_id) REFERENCES stage_runs (id) ON DELETE CASCADE
);

CREATE INDEX ix_outbox_generation_id ON outbox (generation_id);

CREATE INDEX ix_outbox_published_at ON outbox (published_at);

CREATE INDEX ix_outbox_run_id_unsent ON outbox (run_id) WHERE published_at IS NULL AND parked_at IS NULL;

CREATE INDEX ix_outbox_waiting ON outbox (deliver_at, id) WHERE published_at IS NULL AND parked_at IS NULL;

CREATE TABLE scenes (
    variant_id uuid NOT NULL,
    position smallint NOT NULL,
    narration text NOT NULL,
    visual text NOT NULL,
    image_prompt text NOT NULL,
    duration_ms integer NOT NULL,
    motion_kind text NOT NULL,
    motion_amount real NOT NULL,
    transition_kind text NOT NULL,
    transition_frames integer NOT NULL,
    claim text,
    CONSTRAINT pk_scenes PRIMARY KEY (variant_id, position),
    CONSTRAINT ck_scenes_position CHECK (position >= 0),
    CONSTRAINT ck_scenes_duration_ms CHECK (duration_ms > 0),
    CONSTRAINT ck_scenes_transition_frames CHECK (transition_frames >= 0),
    CONSTRAINT fk_scenes_variant_id_variants FOREIGN KEY(variant_id) REFERENCES variants (id) ON DELETE CASCADE
);

CREATE TABLE assets (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text NOT NULL,
    status text NOT NULL DEFAULT 'ready',
    title text NOT NULL,
    platform text,
    tags text[] NOT NULL DEFAULT '{}',
    draft_id uuid,
    variant_id uuid,
    generation_id uuid,
    artefact_id uuid,
    storage_key text,
    meta jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT pk_assets PRIMARY KEY (id),
    CONSTRAINT ck_assets_kind CHECK (kind IN ('text', 'video', 'upload')),
    CONSTRAINT ck_assets_status CHECK (status IN ('draft', 'ready', 'published', 'archived')),
    CONSTRAINT ck_assets_platform CHECK (platform IN ('tiktok', 'reels', 'shorts')),
    CONSTRAINT fk_assets_account_id_users FOREIGN KEY(account_id) REFERENCES users (id),
    CONSTRAINT fk_assets_draft_id_drafts FOREIGN KEY(draft_id) REFERENCES drafts (id),
    CONSTRAINT fk_assets_variant_id_variants FOREIGN KEY(variant_id) REFERENCES variants (id),
    CONSTRAINT fk_assets_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id),
    CONSTRAINT fk_assets_artefact_id_artefacts FOREIGN KEY(artefact_id) REFERENCES artefacts (id)
);

CREATE INDEX ix_assets_account_id ON assets (account_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE INDEX ix_assets_artefact_id ON assets (artefact_id);

CREATE INDEX ix_assets_draft_id ON assets (draft_id);

CREATE INDEX ix_assets_generation_id ON assets (generation_id);

CREATE INDEX ix_assets_tags ON assets USING gin (tags);

CREATE INDEX ix_assets_variant_id ON assets (variant_id);

ALTER TABLE drafts ADD CONSTRAINT fk_drafts_selected_variant_variants FOREIGN KEY(selected_variant, id) REFERENCES variants (id, draft_id);

ALTER TABLE generations ADD CONSTRAINT fk_generations_variant_id_variants FOREIGN KEY(variant_id, draft_id) REFERENCES variants (id, draft_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON credit_journal FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON usage_ledger FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO price_versions (version, effective_from, note) VALUES (1, '2026-01-01 00:00:00+00', 'first price list');

INSERT INTO action_costs (version, action, unit_micro) VALUES
    (1, 'ingestion', 500000),
    (1, 'story', 2500000),
    (1, 'image', 1000000),
    (1, 'vision_check', 200000),
    (1, 'speech', 4500),
    (1, 'music', 20),
    (1, 'mix', 20),
    (1, 'render', 140);

INSERT INTO providers (name, title) VALUES ('offline', 'Offline'), ('openai', 'OpenAI');

INSERT INTO provider_models (provider, model, craft, interactive_places, batch_places, prompt_token_nano_usd,
    completion_token_nano_usd, image_nano_usd, character_nano_usd, audio_second_nano_usd) VALUES
    ('openai', 'gpt-5.4-mini', 'text', 8, 2, 750, 4500, 0, 0, 0),
    ('openai', 'gpt-5.4-mini', 'vision', 8, 2, 750, 4500, 0, 0, 0),
    ('openai', 'gpt-5.4-nano', 'text', 8, 2, 200, 1250, 0, 0, 0),
    ('openai', 'gpt-5.4-nano', 'vision', 8, 2, 200, 1250, 0, 0, 0),
    ('openai', 'gpt-5-mini', 'text', 8, 2, 250, 2000, 0, 0, 0),
    ('openai', 'gpt-5-mini', 'vision', 8, 2, 250, 2000, 0, 0, 0),
    ('openai', 'gpt-4.1-mini', 'text', 8, 2, 400, 1600, 0, 0, 0),
    ('openai', 'gpt-4.1-mini', 'vision', 8, 2, 400, 1600, 0, 0, 0),
    ('openai', 'gpt-4.1', 'text', 8, 2, 2000, 8000, 0, 0, 0),
    ('openai', 'gpt-4.1', 'vision', 8, 2, 2000, 8000, 0, 0, 0),
    ('openai', 'gpt-image-2.5-flare', 'picture', 6, 2, 5000, 30000, 0, 0, 0),
    ('openai', 'gpt-image-2.5-sunburst', 'picture', 6, 2, 5000, 30000, 0, 0, 0),
    ('openai', 'gpt-image-2', 'picture', 6, 2, 5000, 30000, 0, 0, 0),
    ('openai', 'gpt-4o-mini-tts', 'speech', 8, 2, 0, 0, 0, 0, 250000),
    ('openai', 'tts-1', 'speech', 8, 2, 0, 0, 0, 15000, 0),
    ('offline', 'extract-1', 'text', 64, 16, 0, 0, 0, 0, 0),
    ('offline', 'drawing-1', 'picture', 64, 16, 0, 0, 0, 0, 0),
    ('offline', 'measure-1', 'vision', 64, 16, 0, 0, 0, 0, 0),
    ('offline', 'hibari-heart', 'speech', 64, 16, 0, 0, 0, 0, 0),
    ('offline', 'synth-1', 'music', 64, 16, 0, 0, 0, 0, 0);
