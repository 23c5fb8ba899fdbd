"""What the API shows of generations and drafts: named structs, so that the contract can be read and checked."""

from datetime import datetime

import msgspec

from reelwright.generations import (
    THUMBNAILS,
    Artefact,
    ArtefactKind,
    Generation,
    GenerationKind,
    GenerationState,
    Listed,
    MotionKind,
    Part,
    Run,
    RunState,
    Scene,
    Stage,
    TransitionKind,
    Variant,
)
from reelwright.ground.ids import DraftId, GenerationId, VariantId
from reelwright.journeys.reading import Shown

_STAGES = tuple(Stage)
_RANKS = (RunState.FAILED, RunState.CANCELLED, RunState.RUNNING, RunState.QUEUED, RunState.SUCCEEDED)
"""What a stage is whose runs differ: the first of these that one of them is."""


class StageView(msgspec.Struct, frozen=True, kw_only=True):
    """One stage. `done` of `total` runs are finished; `progress` (0..1) counts running ones in part."""

    stage: Stage
    status: RunState
    done: int
    total: int
    progress: float
    attempts: int
    seconds: float | None = None


class MotionView(msgspec.Struct, frozen=True, kw_only=True):
    """How the picture moves, and how much of it the move spans: 0.12 zooms from 1.00 to 1.12."""

    kind: MotionKind
    amount: float


class TransitionView(msgspec.Struct, frozen=True, kw_only=True):
    """How a scene gives way to the next, in how many frames of 1/30 s."""

    kind: TransitionKind
    frames: int


class SceneView(msgspec.Struct, frozen=True, kw_only=True):
    """One scene, `index` from 0. `claim` is the source's own sentence behind its narration, if there is one."""

    index: int
    narration: str
    visual: str
    image_prompt: str
    duration_ms: int
    motion: MotionView
    transition: TransitionView
    claim: str | None = None


class AttributionView(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    url: str | None = None
    licence: str | None = None


class LookView(msgspec.Struct, frozen=True, kw_only=True):
    """How all pictures of a story look: colours and light, the one technique, and who appears more than once."""

    palette: str
    medium: str
    characters: str


class VariantView(msgspec.Struct, frozen=True, kw_only=True):
    """A complete story. `outline` marks one written without facts. `version` counts its changes: it is its ETag.

    `look` is null where whoever draws has a look of his own.
    """

    id: VariantId
    version: int
    title: str
    hook: str
    synopsis: str
    arc: tuple[str, ...]
    caption: str
    hashtags: tuple[str, ...]
    outline: bool
    attribution: AttributionView | None
    look: LookView | None
    scenes: tuple[SceneView, ...]


class VariantsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a draft's stories, the newest writing first; `next_cursor` is null at the end."""

    variants: tuple[VariantView, ...]
    next_cursor: str | None


class ScenesView(msgspec.Struct, frozen=True, kw_only=True):
    """A story's scenes in their order, and the version of the story."""

    variant_id: VariantId
    version: int
    scenes: tuple[SceneView, ...]


class ThumbnailView(msgspec.Struct, frozen=True, kw_only=True):
    """A frame worth showing, when in the reel it is, and how good it is: 0..100."""

    url: str
    at_ms: int
    score: int


class VideoView(msgspec.Struct, frozen=True, kw_only=True):
    """The finished files, each fetched with the same API key; the video answers byte ranges.

    `inspection_url` shows what was measured, as a picture, `manifest_url` tells what the file was made of; null for
    reels of before there was one.

    `thumbnails` are three at most that differ, the best first: that is the one of `thumbnail_url`. `wide_thumbnail_url`
    is the best one's scene at 1280x720, as YouTube takes it, without captions; null for reels of before there was one.
    """

    url: str
    thumbnail_url: str
    thumbnails: tuple[ThumbnailView, ...]
    wide_thumbnail_url: str | None
    captions_srt_url: str
    captions_vtt_url: str
    inspection_url: str | None
    manifest_url: str | None
    duration_ms: int
    size_bytes: int
    sha256: str


class FailureView(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str


class CreditsView(msgspec.Struct, frozen=True, kw_only=True):
    """In credits. `held` while the generation runs, `charged` once it has succeeded."""

    held: float
    charged: float


_Plain = bool | int | float | str | None
Measure = _Plain | list[_Plain | list[_Plain]] | dict[str, _Plain | list[_Plain]]


class GateCheckView(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of the finished file. `passed` is null where it could not be judged.

    `gate` is the number, 1 to 25, of the quality that it holds; one gate may have several checks, and an old report
    tells none. `value` is what was measured and `limit` what it is held against: a number, a text, a list or an object
    by scene, as the check's name asks; its unit is in the name.
    """

    name: str
    passed: bool | None
    value: Measure = None
    limit: Measure = None
    gate: int | None = None


class GateReportView(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of the release gate in their order. It passed when none failed."""

    passed: bool
    checks: tuple[GateCheckView, ...]


class GenerationView(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted run. `variant_id` is the variant it renders or changes, `part` and `scene` what of it it changes.

    `variants` are those that it wrote, or that one; `/v1/drafts/{draft_id}/variants` lists all of the draft's.
    `paused_at` is set while it is paused, `pause_after` while it has yet to pause behind that stage; `resumes` is the
    failed generation that it goes on from.
    """

    id: GenerationId
    draft_id: DraftId
    kind: GenerationKind
    part: Part | None
    scene: int | None
    variant_id: VariantId | None
    status: GenerationState
    stages: tuple[StageView, ...]
    variants: tuple[VariantView, ...]
    video: VideoView | None
    failure: FailureView | None
    gate: GateReportView | None
    credits: CreditsView
    resumes: GenerationId | None
    created_at: datetime
    paused_at: datetime | None
    pause_after: Stage | None
    ended_at: datetime | None


class GenerationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted run, as a list shows it."""

    id: GenerationId
    draft_id: DraftId
    kind: GenerationKind
    part: Part | None
    scene: int | None
    variant_id: VariantId | None
    status: GenerationState
    failure: FailureView | None
    resumes: GenerationId | None
    created_at: datetime
    paused_at: datetime | None
    ended_at: datetime | None


class GenerationsView(msgspec.Struct, frozen=True, kw_only=True):
    """A page of generations, newest first. `next_cursor` null: there is no more."""

    generations: tuple[GenerationSummary, ...]
    next_cursor: str | None


def generation_view(shown: Shown) -> GenerationView:
    """Return what the owner may see."""
    found = shown.generation
    return GenerationView(
        id=found.id,
        draft_id=found.draft_id,
        kind=found.kind,
        part=found.part,
        scene=found.scene,
        variant_id=found.variant_id,
        status=found.state,
        stages=tuple(stage_views(shown.runs)),
        variants=tuple(variant_view(variant) for variant in shown.variants),
        video=_video(found.id, shown.artefacts) if found.state is GenerationState.SUCCEEDED else None,
        failure=_failure(found),
        gate=None if found.gate is None else msgspec.convert(found.gate, GateReportView),
        credits=CreditsView(
            held=found.hold_micro / 1_000_000 if found.live else 0.0, charged=shown.charged_micro / 1_000_000
        ),
        resumes=found.resumes,
        created_at=found.created_at,
        paused_at=found.paused_at,
        pause_after=found.pause_after,
        ended_at=found.ended_at,
    )


def generation_summary(found: Listed) -> GenerationSummary:
    """Return what a list shows."""
    return GenerationSummary(
        id=found.id,
        draft_id=found.draft_id,
        kind=found.kind,
        part=found.part,
        scene=found.scene,
        variant_id=found.variant_id,
        status=found.state,
        failure=_failure(found),
        resumes=found.resumes,
        created_at=found.created_at,
        paused_at=found.paused_at,
        ended_at=found.ended_at,
    )


def _failure(found: Generation | Listed) -> FailureView | None:
    if found.failure_code is None:
        return None
    return FailureView(code=found.failure_code, detail=found.failure_sentence or "")


def stage_views(runs: list[Run]) -> list[StageView]:
    """Return one line a stage, in the pipeline's order."""
    found: dict[Stage, list[Run]] = {}
    for run in runs:
        found.setdefault(run.unit.stage, []).append(run)
    return [_stage_view(stage, found[stage]) for stage in _STAGES if stage in found]


def _stage_view(stage: Stage, runs: list[Run]) -> StageView:
    states = [run.state for run in runs]
    done = states.count(RunState.SUCCEEDED)
    status = next(state for state in _RANKS if state in states)
    if status is RunState.QUEUED and done:
        status = RunState.RUNNING
    started = [run.started_at for run in runs if run.started_at]
    ended = [run.finished_at for run in runs if run.finished_at]
    over = len(ended) == len(runs) and bool(started)
    return StageView(
        stage=stage,
        status=status,
        done=done,
        total=len(runs),
        progress=round(sum(1.0 if run.state is RunState.SUCCEEDED else run.progress for run in runs) / len(runs), 3),
        attempts=sum(run.attempt for run in runs),
        seconds=round((max(ended) - min(started)).total_seconds(), 3) if over else None,
    )


def variant_view(variant: Variant) -> VariantView:
    """Return a variant with its scenes."""
    story = variant.story
    credit, look = story.attribution, story.look
    return VariantView(
        id=variant.id,
        version=variant.version,
        title=story.title,
        hook=story.hook,
        synopsis=story.synopsis,
        arc=story.arc,
        caption=story.caption,
        hashtags=story.hashtags,
        outline=story.outline,
        attribution=credit and AttributionView(title=credit.title, url=credit.url, licence=credit.licence),
        look=look and LookView(palette=look.palette, medium=look.medium, characters=look.characters),
        scenes=tuple(map(scene_view, variant.scenes)),
    )


def scene_view(scene: Scene) -> SceneView:
    """Return a scene."""
    return SceneView(
        index=scene.index,
        narration=scene.narration,
        visual=scene.visual,
        image_prompt=scene.image_prompt,
        duration_ms=scene.duration_ms,
        motion=MotionView(kind=scene.motion.kind, amount=round(scene.motion.amount, 4)),
        transition=TransitionView(kind=scene.transition.kind, frames=scene.transition.frames),
        claim=scene.claim,
    )


def _video(generation: GenerationId, artefacts: list[Artefact]) -> VideoView | None:
    kinds = {artefact.kind for artefact in artefacts}
    for artefact in artefacts:
        if artefact.kind is ArtefactKind.VIDEO:
            base = f"/v1/generations/{generation}"
            return VideoView(
                url=f"{base}/video",
                thumbnail_url=f"{base}/thumbnail",
                thumbnails=_thumbnails(base, artefacts),
                wide_thumbnail_url=f"{base}/thumbnail/wide" if ArtefactKind.THUMBNAIL_WIDE in kinds else None,
                captions_srt_url=f"{base}/captions.srt",
                captions_vtt_url=f"{base}/captions.vtt",
                inspection_url=f"{base}/inspection.png" if ArtefactKind.INSPECTION in kinds else None,
                manifest_url=f"{base}/manifest.json" if ArtefactKind.MANIFEST in kinds else None,
                duration_ms=msgspec.convert(artefact.meta.get("duration_ms", 0), int),
                size_bytes=artefact.size_bytes,
                sha256=artefact.sha256,
            )
    return None


def _thumbnails(base: str, artefacts: list[Artefact]) -> tuple[ThumbnailView, ...]:
    files = {file.kind: file for file in reversed(artefacts)}  # of two of a kind the newest, which comes first
    return tuple(
        ThumbnailView(
            url=f"{base}/thumbnails/{rank}",
            at_ms=msgspec.convert(files[kind].meta.get("at_ms", 0), int),
            score=msgspec.convert(files[kind].meta.get("score", 0), int),
        )
        for rank, kind in enumerate(THUMBNAILS, start=1)
        if kind in files
    )
