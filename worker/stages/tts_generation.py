"""TTS_GENERATION: speaks one scene's narration so that it fits the scene's planned time."""

from msgspec import to_builtins

from reelwright import providers
from reelwright.generations import (
    RECIPES,
    ArtefactKind,
    Assignment,
    Bench,
    Made,
    NewArtefact,
    Spoken,
    Stage,
    inputs_hash,
)
from reelwright.ground.metering import Use
from worker.stages.narrating import pitched, spoken
from worker.stages.telling import hold_scenes_to_letters

RECIPE = RECIPES[Stage.TTS_GENERATION]
BREATH_MS = 350  # of the planned time, left silent
SLOWEST, FASTEST = 0.9, 1.18
_HURRIED = 1.08

_TAKES = (1.0, 0.95, 1.05)
_NEAR = 0.03  # a speed this close to the voice's own isn't worth a second recording


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Speak at the voice's own pace, and once more at the speed that fits when that doesn't.

    Raises ProviderRefused (voice, language), ProviderAway, Outage.
    """
    await hold_scenes_to_letters(task)
    scene, draft, voice = task.scene, task.draft, task.voice
    speech, uses = await spoken(tools, scene.narration, voice, language=draft.language)
    bench.progress(0.6)
    pace = fitting_pace(spoken_ms=speech.duration_ms, planned_ms=scene.duration_ms, chosen=voice.speed)
    pace = another(pace, take=scene.voice_take)
    if speech.words and abs(pace - 1.0) > _NEAR:
        with providers.charged(*uses):
            speech, more = await spoken(tools, scene.narration, voice, language=draft.language, pace=pace)
        uses = _both(uses, more)
    else:
        pace = 1.0
    with providers.charged(*uses):
        speech = await pitched(speech, voice, bench.workspace)
    words = (scene.narration, scene.duration_ms, scene.voice_take)
    path = bench.workspace / f"narration-{scene.index}.wav"
    path.write_bytes(speech.wav)
    bench.progress(1.0)
    made = NewArtefact(
        kind=ArtefactKind.NARRATION,
        path=path,
        media_type="audio/wav",
        inputs_hash=inputs_hash(RECIPE, *words, to_builtins(voice), draft.language),
        meta={
            "duration_ms": speech.duration_ms,
            "words": [[word.text, word.start_ms, word.end_ms] for word in speech.words],
            "word_times": speech.word_times.value,
            "speed": round(voice.speed * pace, 3),
            "by": next((f"{use.provider}:{use.model}" for use in reversed(uses)), None),
        },
    )
    return Made(outcome=Spoken(duration_ms=speech.duration_ms), artefacts=(made,), uses=uses)


def another(pace: float, *, take: int) -> float:
    """Return the pace of another take of the same words: a little other, so that no two in turn sound the same."""
    factor = _TAKES[take % len(_TAKES)]
    fits = SLOWEST <= pace * factor <= FASTEST
    return round(pace * factor if fits else pace / factor, 3)


def fitting_pace(*, spoken_ms: int, planned_ms: int, chosen: float = 1.0) -> float:
    """Return the pace, 0.9..1.18 times the chosen speed, at which speech fills the planned time less a breath.

    Who wants to be quick isn't slowed to fill a scene, and who wants to be slow is hurried by 8 % at most: the reel is
    as long as it needs to be then.
    """
    room_ms = max(1, planned_ms - BREATH_MS)
    slowest = SLOWEST if chosen <= 1.0 else 1.0
    fastest = FASTEST if chosen >= 1.0 else _HURRIED
    return round(min(fastest, max(slowest, spoken_ms / room_ms)), 3)


def _both(first: tuple[Use, ...], second: tuple[Use, ...]) -> tuple[Use, ...]:
    """Keep every call on the ledger; only the second is charged for, as the narration is delivered once."""
    return (*(_uncharged(use) for use in first), *second)


def _uncharged(use: Use) -> Use:
    return Use(
        action=use.action,
        provider=use.provider,
        model=use.model,
        quantity=0,
        prompt_tokens=use.prompt_tokens,
        completion_tokens=use.completion_tokens,
        images=use.images,
        characters=use.characters,
        wall_ms=use.wall_ms,
        cost_nano_usd=use.cost_nano_usd,
    )
