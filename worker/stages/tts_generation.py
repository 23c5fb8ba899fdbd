"""TTS_GENERATION: speaks one scene's narration so that it fits the scene's planned time."""

from reelwright import providers
from reelwright.generations import ArtefactKind, Assignment, Bench, Made, NewArtefact, Spoken, inputs_hash
from reelwright.ground.metering import Use

RECIPE = "speech-1"
BREATH_MS = 350  # of the planned time, left silent
SLOWEST, FASTEST = 0.9, 1.18

_NEAR = 0.03  # a speed this close to the voice's own isn't worth a second recording


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Speak at the voice's own pace, and once more at the speed that fits when that doesn't.

    Raises ProviderRefused (voice, language), ProviderAway.
    """
    scene, draft = task.scene, task.draft
    speech, uses = await tools.speech.speak(scene.narration, voice=draft.voice, language=draft.language)
    bench.progress(0.6)
    speed = fitting_speed(spoken_ms=speech.duration_ms, planned_ms=scene.duration_ms)
    if speech.words and abs(speed - 1.0) > _NEAR:
        with providers.charged(*uses):
            speech, more = await tools.speech.speak(
                scene.narration, voice=draft.voice, language=draft.language, speed=speed
            )
        uses = _both(uses, more)
    else:
        speed = 1.0
    path = bench.workspace / f"narration-{scene.index}.wav"
    path.write_bytes(speech.wav)
    bench.progress(1.0)
    made = NewArtefact(
        kind=ArtefactKind.NARRATION,
        path=path,
        media_type="audio/wav",
        inputs_hash=inputs_hash(RECIPE, scene.narration, draft.voice, draft.language, scene.duration_ms),
        meta={
            "duration_ms": speech.duration_ms,
            "words": [[word.text, word.start_ms, word.end_ms] for word in speech.words],
            "exact": speech.exact,
            "speed": speed,
        },
    )
    return Made(outcome=Spoken(duration_ms=speech.duration_ms), artefacts=(made,), uses=uses)


def fitting_speed(*, spoken_ms: int, planned_ms: int) -> float:
    """Return the speed, 0.9..1.18, at which speech of that length fills the planned time less a breath."""
    room_ms = max(1, planned_ms - BREATH_MS)
    return round(min(FASTEST, max(SLOWEST, spoken_ms / room_ms)), 3)


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
