"""SCENE_GENERATION: gives each beat its time, its picture's prompt, its motion and its way out; or one other words."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from reelwright import providers
from reelwright.generations import (
    Assignment,
    Beat,
    Bench,
    GenerationKind,
    Made,
    Motion,
    MotionKind,
    Planned,
    Scene,
    Tone,
    Transition,
    TransitionKind,
    Variant,
)
from worker.stages.telling import retold

LEAST_MS = 2000  # of a scene: shorter, and nobody has seen the picture

_BREATH_S = 0.35  # that each scene takes besides its words
_MOTIONS = (
    MotionKind.PUSH_IN,
    MotionKind.PAN_RIGHT,
    MotionKind.PULL_OUT,
    MotionKind.PAN_UP,
    MotionKind.PAN_LEFT,
    MotionKind.PAN_DOWN,
)
_TRANSITIONS = tuple(TransitionKind)
_AMOUNTS = {Tone.CALM: 0.08, Tone.SERIOUS: 0.09, Tone.WARM: 0.1, Tone.CURIOUS: 0.12, Tone.ENERGETIC: 0.15}


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Plan the scenes of every variant, or have the unit's one worded anew. Raises ProviderRefused, ProviderAway."""
    if task.kind is GenerationKind.REGENERATE_TARGETED:
        made = await retold(task, tools)
        bench.progress(1.0)
        return made
    planned: list[tuple[Scene, ...]] = []
    for number, variant in enumerate(task.variants, start=1):
        planned.append(await _planned(task, variant, tools))
        bench.progress(number / len(task.variants))
    return Made(outcome=Planned(scenes=tuple(planned)))


async def _planned(task: Assignment, variant: Variant, tools: providers.Toolset) -> tuple[Scene, ...]:
    story, draft, seed = variant.story, task.draft, variant.id.int % 2**31
    texts = [providers.SceneText(narration=beat.narration, visual=beat.visual) for beat in story.beats]
    look = story.look and providers.Look(
        palette=story.look.palette, medium=story.look.medium, characters=story.look.characters
    )
    prompts = await tools.picture.direct(
        texts, topic=story.title or draft.topic or "", tone=draft.tone.value, seed=seed, look=look
    )
    if len(prompts) != len(texts):
        raise providers.ProviderAway("The picture provider didn't return one prompt a scene.")
    durations = shared_out(draft.duration_s * 1000, story.beats)
    return tuple(
        Scene(
            index=index,
            narration=beat.narration,
            visual=beat.visual,
            image_prompt=prompt,
            duration_ms=duration_ms,
            motion=Motion(kind=motion_of(index, seed=seed), amount=_AMOUNTS[draft.tone]),
            transition=Transition(kind=transition_of(index, seed=seed)),
            claim=beat.claim,
            seed=variant.id.int % 1_000_000 + index,
        )
        for index, (beat, prompt, duration_ms) in enumerate(zip(story.beats, prompts, durations, strict=True))
    )


def shared_out(total_ms: int, beats: Sequence[Beat]) -> list[int]:
    """Share a reel's milliseconds by what its narrations take to say; at least 2 s each where the total allows.

    The parts sum exactly to the total.
    """
    floor = min(LEAST_MS, total_ms // len(beats))
    weights = [providers.spoken_s(beat.narration) + _BREATH_S for beat in beats]
    raised = set[int]()
    while True:  # who would get less than the floor gets the floor; the others share the rest
        room = total_ms - floor * len(raised)
        heavy = sum(weight for index, weight in enumerate(weights) if index not in raised)
        low = {i for i, weight in enumerate(weights) if i not in raised and room * weight < floor * heavy}
        if not low:
            break
        raised |= low
    shares = [floor if i in raised else room * weight / heavy for i, weight in enumerate(weights)]
    marks = [0, *(round(mark) for mark in accumulate(shares))]
    marks[-1] = total_ms
    return [later - earlier for earlier, later in pairwise(marks)]


def motion_of(index: int, *, seed: int) -> MotionKind:
    """Return a scene's motion: six in turn, from a place and in a direction that the seed says, never one twice."""
    step = 1 if seed // len(_MOTIONS) % 2 else len(_MOTIONS) - 1
    return _MOTIONS[(seed + index * step) % len(_MOTIONS)]


def transition_of(index: int, *, seed: int) -> TransitionKind:
    """Return how a scene gives way: five in turn; the seed says where they start and how far apart they are taken."""
    step = 1 + seed // len(_TRANSITIONS) % (len(_TRANSITIONS) - 1)
    return _TRANSITIONS[(seed + index * step) % len(_TRANSITIONS)]
