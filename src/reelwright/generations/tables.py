"""Drafts, generations, variants, scenes, stage runs, artefacts and events, as rows."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.ground.postgres import Row


def _one_of(column: str, *words: str) -> str:
    """Spell a CHECK in one literal: PostgreSQL reads them anew for each statement, and an IN is twice as long."""
    return f"{column} = ANY ('{{{','.join(words)}}}'::text[])"


def _shaped(columns: str, *shapes: str) -> str:
    """Spell a CHECK by all that may stand in some columns together: in one literal, for the same reason.

    A truth is spelled t or f and stands last, so that what goes before it can be read in one way only.
    """
    return _one_of(f"concat({columns})", *shapes)


_NEWEST_FIRST = (text("created_at DESC"), text("id DESC"))
_STAGES = (
    "INGESTION", "STORY_WRITING", "SCENE_GENERATION", "VISUAL_GENERATION", "VISUAL_VERIFICATION", "VIDEO_GENERATION",
    "TTS_GENERATION", "AUDIO_MIXING", "VIDEO_ASSEMBLY",
)  # fmt: skip


class DraftRow(Row):
    """What a user owns and edits; `version` counts the edits. Deleting only marks it."""

    __tablename__ = "drafts"
    __table_args__ = (
        CheckConstraint("num_nonnulls(topic, source_url, source_text) = 1", name="one_source"),
        CheckConstraint(_one_of("platform", "tiktok", "reels", "shorts"), name="platform"),
        CheckConstraint(_one_of("tone", "calm", "curious", "energetic", "serious", "warm"), name="tone"),
        CheckConstraint(_one_of("aspect", "9:16", "1:1", "16:9"), name="aspect"),
        CheckConstraint("duration_s > 0", name="duration_s"),
        CheckConstraint(_one_of("source_form", "page", "feed", "youtube"), name="source_form"),
        CheckConstraint(_one_of("caption_style", "classic", "box", "karaoke", "pop", "subtitle"), name="caption_style"),
        ForeignKeyConstraint(
            ["selected_variant", "id"], ["variants.id", "variants.draft_id"],
            name="fk_drafts_selected_variant_variants", use_alter=True,
        ),
        Index("ix_drafts_account_id", "account_id", *_NEWEST_FIRST, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_drafts_brand_kit_id", "brand_kit_id", postgresql_where=text("brand_kit_id IS NOT NULL")),
        Index("ix_drafts_selected_variant", "selected_variant", postgresql_where=text("selected_variant IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    topic: Mapped[str | None] = mapped_column(Text)
    source_url: Mapped[str | None] = mapped_column(Text)
    source_text: Mapped[str | None] = mapped_column(Text)
    source_form: Mapped[str] = mapped_column(Text, server_default="page")
    source_entry: Mapped[str | None] = mapped_column(Text)
    platform: Mapped[str] = mapped_column(Text)
    tone: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    duration_s: Mapped[int] = mapped_column(Integer)
    aspect: Mapped[str] = mapped_column(Text)
    voice: Mapped[str] = mapped_column(Text)
    music: Mapped[str] = mapped_column(Text)
    caption_style: Mapped[str] = mapped_column(Text, server_default="classic")
    brand_kit_id: Mapped[UUID | None] = mapped_column()
    selected_variant: Mapped[UUID | None] = mapped_column()
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class GenerationRow(Row):
    """One accepted run on a draft, with the plan, price list and period of its admission kept as they were."""

    __tablename__ = "generations"
    __table_args__ = (
        CheckConstraint(
            _shaped(
                "state, started_at IS NULL, ended_at IS NULL, failure_code IS NULL, failure_sentence IS NULL",
                "queuedtttt", "runningfttt", "succeededfftt", "failedtfff", "failedffff",
                "cancelledtftt", "cancelledtfff", "cancelledfftt", "cancelledffff",
            ), name="state",
        ),
        CheckConstraint(
            _shaped(
                "kind, '.', part, part IS NULL, scene IS NULL",
                "script.tt", "video.tt", "render.tt", "regenerate_full.tt",
                "regenerate_targeted.hookft", "regenerate_targeted.captionft", "regenerate_targeted.hashtagsft",
                "regenerate_targeted.scene_textff", "regenerate_targeted.scene_pictureff",
                "regenerate_targeted.scene_voiceff",
            ), name="kind",
        ),
        CheckConstraint(_one_of("lane", "interactive", "batch"), name="lane"),
        CheckConstraint("hold_micro >= 0", name="hold_micro"),
        CheckConstraint("variants_wanted >= 1", name="variants_wanted"),
        CheckConstraint("generation_units >= 0 AND full_units >= 0", name="units"),
        CheckConstraint("scene >= 0", name="scene"),
        CheckConstraint(_one_of("pause_after", *_STAGES), name="pause_after"),
        ForeignKeyConstraint(
            ["variant_id", "draft_id"], ["variants.id", "variants.draft_id"],
            name="fk_generations_variant_id_variants", use_alter=True,
        ),
        Index("ix_generations_variant_id", "variant_id", postgresql_where=text("variant_id IS NOT NULL")),
        Index("ix_generations_account_id", "account_id", *_NEWEST_FIRST),
        Index("ix_generations_failed", "account_id", *_NEWEST_FIRST, postgresql_where=text("failure_code IS NOT NULL")),
        Index(
            "ix_generations_admitted", "account_id", "admitted_at",
            postgresql_include=["generation_units", "full_units", "units_returned_at"],
        ),
        Index("ix_generations_admitted_at", "admitted_at", postgresql_include=["account_id"]),
        Index("ix_generations_draft_id", "draft_id", "created_at"),
        Index("ix_generations_live", "account_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_generations_deadline_at", "deadline_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_generations_price_version", "price_version"),
        Index("ix_generations_resumes", "resumes", postgresql_where=text("resumes IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    draft_id: Mapped[UUID] = mapped_column(ForeignKey("drafts.id"))
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default="queued")
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    plan: Mapped[str] = mapped_column(Text)
    price_version: Mapped[int] = mapped_column(ForeignKey("price_versions.version"))
    hold_micro: Mapped[int] = mapped_column(BigInteger)
    lane: Mapped[str] = mapped_column(Text)
    variants_wanted: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    generation_units: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    full_units: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    units_returned_at: Mapped[datetime | None]
    variant_id: Mapped[UUID | None] = mapped_column()
    part: Mapped[str | None] = mapped_column(Text)
    scene: Mapped[int | None] = mapped_column(SmallInteger)
    demo: Mapped[bool] = mapped_column(server_default=text("false"))
    request_id: Mapped[str | None] = mapped_column(Text)
    admitted_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    pause_after: Mapped[str | None] = mapped_column(Text)
    resumes: Mapped[UUID | None] = mapped_column(ForeignKey("generations.id"))
    failure_code: Mapped[str | None] = mapped_column(Text)
    failure_sentence: Mapped[str | None] = mapped_column(Text)
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sound: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    brand: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    event_seq: Mapped[int] = mapped_column(BigInteger, server_default="0")


class SourceRow(Row):
    """What was ingested for a draft by one generation."""

    __tablename__ = "sources"
    __table_args__ = (
        CheckConstraint("kind IN ('url', 'rss', 'youtube', 'text', 'encyclopaedia', 'none')", name="kind"),
        Index("ix_sources_draft_id", "draft_id", "created_at"),
    )

    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True)
    draft_id: Mapped[UUID] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    attribution: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class VariantRow(Row):
    """One complete story for a draft."""

    __tablename__ = "variants"
    __table_args__ = (
        UniqueConstraint("generation_id", "position"),
        UniqueConstraint("id", "draft_id"),
        Index("ix_variants_draft_id", "draft_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    draft_id: Mapped[UUID] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"))
    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(SmallInteger)
    title: Mapped[str] = mapped_column(Text)
    hook: Mapped[str] = mapped_column(Text)
    synopsis: Mapped[str] = mapped_column(Text)
    arc: Mapped[list[str]] = mapped_column(ARRAY(Text))
    beats: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    caption: Mapped[str] = mapped_column(Text)
    hashtags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attribution: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    look: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    outline: Mapped[bool] = mapped_column(server_default=text("false"))
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SceneRow(Row):
    """One ordered part of a variant. The takes count how often another picture or voice of it was asked for.

    `seed` is what its pictures are drawn with, wherever it moves.
    """

    __tablename__ = "scenes"
    __table_args__ = (
        CheckConstraint("position >= 0", name="position"),
        CheckConstraint("duration_ms > 0", name="duration_ms"),
        CheckConstraint("transition_frames >= 0", name="transition_frames"),
        CheckConstraint("take >= 0", name="take"),
        CheckConstraint("voice_take >= 0", name="voice_take"),
    )

    variant_id: Mapped[UUID] = mapped_column(ForeignKey("variants.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    narration: Mapped[str] = mapped_column(Text)
    visual: Mapped[str] = mapped_column(Text)
    image_prompt: Mapped[str] = mapped_column(Text)
    duration_ms: Mapped[int] = mapped_column(Integer)
    motion_kind: Mapped[str] = mapped_column(Text)
    motion_amount: Mapped[float] = mapped_column(REAL)
    transition_kind: Mapped[str] = mapped_column(Text)
    transition_frames: Mapped[int] = mapped_column(Integer)
    claim: Mapped[str | None] = mapped_column(Text)
    take: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    voice_take: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    seed: Mapped[int | None] = mapped_column(Integer)


class StageRunRow(Row):
    """One unit of work: delivered, leased, fenced, retried, finished once.

    `inputs_hash` names what a finished one was made from: another with the same needs no second making.
    """

    __tablename__ = "stage_runs"
    __table_args__ = (
        CheckConstraint(_one_of("stage", *_STAGES), name="stage"),
        CheckConstraint(
            _shaped(
                "state, started_at IS NULL, finished_at IS NULL, lease_until IS NULL, won_fence IS NULL,"
                " error_code IS NULL",
                "queuedttttt", "queuedttttf", "queuedftttt", "queuedftttf", "runningftftt", "runningftftf",
                "succeededfftft", "succeededfftff", "failedtfttf", "failedffttf",
                "cancelledtfttt", "cancelledtfttf", "cancelledffttt", "cancelledffttf",
            ), name="state",
        ),
        CheckConstraint("won_fence <= fence", name="won_fence_was_given"),
        CheckConstraint("attempt BETWEEN 0 AND max_attempts", name="attempt"),
        CheckConstraint("progress BETWEEN '0' AND '1'", name="progress"),
        CheckConstraint("inputs_hash ~ '^[0-9a-f]{64}$'", name="inputs_hash"),
        UniqueConstraint(
            "generation_id", "stage", "scene", "chunk", "round",
            name="uq_stage_runs_unit", postgresql_nulls_not_distinct=True,
        ),
        Index("ix_stage_runs_live", "id", postgresql_where=text("finished_at IS NULL")),
        {"postgresql_with": {"fillfactor": 80}},  # claims and heartbeats update in place: no index holds what changes
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    stage: Mapped[str] = mapped_column(Text)
    scene: Mapped[int | None] = mapped_column(SmallInteger)
    chunk: Mapped[int | None] = mapped_column(SmallInteger)
    round: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(Text, server_default="queued")
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    won_fence: Mapped[int | None] = mapped_column(BigInteger)
    lease_until: Mapped[datetime | None]
    attempt_deadline: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sent_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    resends: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    progress: Mapped[float] = mapped_column(REAL, server_default="0")
    error_code: Mapped[str | None] = mapped_column(Text)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    inputs_hash: Mapped[str | None] = mapped_column(Text)
    queued_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ArtefactRow(Row):
    """One stored file, made by one stage run."""

    __tablename__ = "artefacts"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        CheckConstraint("inputs_hash ~ '^[0-9a-f]{64}$'", name="inputs_hash"),
        UniqueConstraint("run_id", "kind"),
        Index("ix_artefacts_generation_id", "generation_id", "kind"),
        Index("ix_artefacts_inputs_hash", "inputs_hash"),
        Index("ix_artefacts_key", "key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    run_id: Mapped[UUID] = mapped_column(ForeignKey("stage_runs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Text)
    inputs_hash: Mapped[str] = mapped_column(Text)
    scene: Mapped[int | None] = mapped_column(SmallInteger)
    chunk: Mapped[int | None] = mapped_column(SmallInteger)
    round: Mapped[int] = mapped_column(SmallInteger)
    meta: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class EventRow(Row):
    """One thing that happened to a generation, numbered without gaps in the order of the commits."""

    __tablename__ = "generation_events"

    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DeadLetterRow(Row):
    """A generation that died of our own failure, kept until an operator has set it going again or looked at it."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        CheckConstraint("reason IN ('exhausted', 'deadline', 'bug', 'refused_by_queue', 'outage')", name="reason"),
        CheckConstraint("attempts >= 0", name="attempts"),
        UniqueConstraint("generation_id"),
        Index("ix_dead_letters_at", "at", "id"),
        Index("ix_dead_letters_open", "at", "id", postgresql_where=text("redriven_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    generation_id: Mapped[UUID] = mapped_column(ForeignKey("generations.id", ondelete="CASCADE"))
    run_id: Mapped[UUID | None] = mapped_column()
    stage: Mapped[str | None] = mapped_column(Text)
    scene: Mapped[int | None] = mapped_column(SmallInteger)
    chunk: Mapped[int | None] = mapped_column(SmallInteger)
    reason: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    redriven_at: Mapped[datetime | None]
    redriven_by: Mapped[UUID | None] = mapped_column()
    successor: Mapped[UUID | None] = mapped_column()


class UploadRow(Row):
    """A file that is on its way into storage and that no artefact describes yet: what a dead worker leaves behind."""

    __tablename__ = "uploads"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    run_id: Mapped[UUID] = mapped_column()
    fence: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


# The same as tables, for statements: a row read through them is always the database's, never a session's memory of it.
DRAFTS = cast("Table", DraftRow.__table__)
GENERATIONS = cast("Table", GenerationRow.__table__)
SOURCES = cast("Table", SourceRow.__table__)
VARIANTS = cast("Table", VariantRow.__table__)
SCENES = cast("Table", SceneRow.__table__)
STAGE_RUNS = cast("Table", StageRunRow.__table__)
ARTEFACTS = cast("Table", ArtefactRow.__table__)
EVENTS = cast("Table", EventRow.__table__)
DEAD_LETTERS = cast("Table", DeadLetterRow.__table__)
UPLOADS = cast("Table", UploadRow.__table__)
