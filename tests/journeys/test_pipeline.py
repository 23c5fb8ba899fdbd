"""Which runs follow from which outcomes: every worker must reach the same answer from the same rows."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.generations import (
    Animated,
    Drawn,
    Encoded,
    GenerationKind,
    Judged,
    Mixed,
    Outcome,
    Part,
    Planned,
    Released,
    Rewritten,
    Source,
    Spoken,
    Stage,
    Unit,
    Written,
    pipeline,
)
from reelwright.generations import Ingested as IngestedOutcome
from reelwright.rendering.gates import GATES

SCENES = 3
CHUNKS = 2


def outcome_of(unit: Unit, *, score: int = 80) -> Outcome:
    return {
        Stage.INGESTION: IngestedOutcome(source=Source(kind="none", title="t", body="")),
        Stage.STORY_WRITING: Written(stories=()),
        Stage.SCENE_GENERATION: Planned(scenes=()),
        Stage.VISUAL_GENERATION: Drawn(),
        Stage.VISUAL_VERIFICATION: Judged(score=score, scores={}, reasons=()),
        Stage.VIDEO_GENERATION: Animated(),
        Stage.TTS_GENERATION: Spoken(duration_ms=1000),
        Stage.AUDIO_MIXING: Mixed(chunks=CHUNKS, duration_ms=3000),
        Stage.VIDEO_ASSEMBLY: Encoded(frames=1) if unit.chunk is not None else Released(duration_ms=1, gate={}),
    }[unit.stage]


def performed(kind: GenerationKind, *, seed: int, score: int = 80) -> list[Unit]:
    """Finish whatever is due in a random order until the generation has ended; return the order."""
    chooser = random.Random(seed)
    finished: dict[Unit, Outcome] = {}
    for _ in range(500):
        scenes = SCENES if kind is GenerationKind.RENDER or Unit(stage=Stage.SCENE_GENERATION) in finished else 0
        due = pipeline.due(kind, finished, scenes=scenes)
        if due.ended:
            return list(finished)
        waiting = [unit for unit in due.units if unit not in finished]
        assert waiting, "nothing is due and nothing has ended: the generation is stuck"
        unit = chooser.choice(waiting)
        finished[unit] = outcome_of(unit, score=score)
    raise AssertionError("the pipeline never ended")


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_completion_ends_with_every_unit_done_once(seed: int) -> None:
    order = performed(GenerationKind.VIDEO, seed=seed)

    assert len(order) == len(set(order)) == 3 + 4 * SCENES + 1 + CHUNKS + 1
    where = {unit: place for place, unit in enumerate(order)}
    mix = where[Unit(stage=Stage.AUDIO_MIXING)]
    assert all(where[Unit(stage=Stage.TTS_GENERATION, scene=s)] < mix for s in range(SCENES))
    first_chunk = min(where[Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=c)] for c in range(CHUNKS))
    assert first_chunk > max(mix, *(where[Unit(stage=Stage.VIDEO_GENERATION, scene=s)] for s in range(SCENES)))
    assert order[-1] == Unit(stage=Stage.VIDEO_ASSEMBLY)


def test_voice_and_motion_wait_for_neither_each_other_nor_other_scenes() -> None:
    finished = {Unit(stage=s): outcome_of(Unit(stage=s)) for s in list(Stage)[:3]}
    for stage in (Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION):
        finished[Unit(stage=stage, scene=1)] = outcome_of(Unit(stage=stage, scene=1))

    due = set(pipeline.due(GenerationKind.VIDEO, finished, scenes=SCENES).units) - set(finished)

    assert {Unit(stage=Stage.VIDEO_GENERATION, scene=1), Unit(stage=Stage.TTS_GENERATION, scene=1)} <= due
    assert {u.scene for u in due if u.stage is Stage.VISUAL_GENERATION} == {0, 2}


def test_a_script_ends_with_its_scenes_and_a_render_starts_with_pictures() -> None:
    assert [u.stage for u in performed(GenerationKind.SCRIPT, seed=1)] == list(Stage)[:3]
    started = pipeline.first(GenerationKind.RENDER, scenes=SCENES)
    assert [(u.stage, u.scene) for u in started] == [(Stage.VISUAL_GENERATION, s) for s in range(SCENES)]


def test_a_low_score_redraws_that_scene_at_most_three_times_and_then_goes_on() -> None:
    order = performed(GenerationKind.VIDEO, seed=3, score=59)
    drawn = [u for u in order if u.stage is Stage.VISUAL_GENERATION]
    assert len(drawn) == 3 * SCENES
    assert sorted((u.scene, u.round) for u in drawn) == list(itertools.product(range(SCENES), range(3)))
    assert len([u for u in performed(GenerationKind.VIDEO, seed=3, score=60) if u in drawn]) == SCENES


def test_the_best_try_is_kept_and_the_earliest_of_equals() -> None:
    def judged(*scores: int) -> dict[Unit, Outcome]:
        return {
            Unit(stage=Stage.VISUAL_VERIFICATION, scene=0, round=r): Judged(score=s, scores={}, reasons=())
            for r, s in enumerate(scores)
        }

    assert pipeline.best_round(judged(40, 55, 30), 0) == 1
    assert pipeline.best_round(judged(50, 50), 0) == 0
    assert pipeline.best_round(judged(50), 7) is None


def test_all_of_it_anew_runs_like_a_video() -> None:
    for seed in range(5):
        assert performed(GenerationKind.REGENERATE_FULL, seed=seed) == performed(GenerationKind.VIDEO, seed=seed)


@pytest.mark.parametrize(
    ("part", "scene", "unit"),
    [
        (Part.HOOK, None, Unit(stage=Stage.STORY_WRITING)),
        (Part.CAPTION, None, Unit(stage=Stage.STORY_WRITING)),
        (Part.HASHTAGS, None, Unit(stage=Stage.STORY_WRITING)),
        (Part.SCENE_TEXT, 2, Unit(stage=Stage.SCENE_GENERATION, scene=2)),
    ],
)
def test_a_part_in_other_words_is_one_run(part: Part, scene: int | None, unit: Unit) -> None:
    kind = GenerationKind.REGENERATE_TARGETED
    assert pipeline.first(kind, scenes=1, part=part, scene=scene) == (unit,)
    done = pipeline.due(kind, {unit: Rewritten(part=part, text="x")}, scenes=SCENES, part=part, scene=scene)
    assert done == pipeline.Due((unit,), ended=True)


@given(scores=st.lists(st.integers(0, 100), min_size=3, max_size=3), scene=st.integers(0, 11))
def test_another_picture_is_drawn_and_judged_until_one_passes_and_then_it_ends(scores: list[int], scene: int) -> None:
    finished: dict[Unit, Outcome] = {}
    while True:
        due = pipeline.due(
            GenerationKind.REGENERATE_TARGETED, finished, scenes=12, part=Part.SCENE_PICTURE, scene=scene
        )
        if due.ended:
            break
        (unit,) = [unit for unit in due.units if unit not in finished]
        finished[unit] = outcome_of(unit, score=scores[unit.round])
    passing = next((at for at, score in enumerate(scores) if score >= pipeline.PASSING_SCORE), 2)
    stages = (Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION)
    assert list(finished) == [Unit(stage=s, scene=scene, round=take) for take in range(passing + 1) for s in stages]


@pytest.mark.parametrize(
    ("part", "scene"), [(None, None), (Part.HOOK, 0), (Part.SCENE_TEXT, None), (Part.SCENE_PICTURE, None)]
)
def test_a_part_and_its_scene_belong_together(part: Part | None, scene: int | None) -> None:
    with pytest.raises(ValueError, match="no such part"):
        pipeline.first(GenerationKind.REGENERATE_TARGETED, scenes=1, part=part, scene=scene)


def test_a_failed_check_doubts_what_it_hears_or_sees_and_always_how_the_reel_was_put_together() -> None:
    def doubted(**checks: bool | None) -> set[Stage]:
        told = [{"name": name, "passed": passed} for name, passed in checks.items()]
        return set(pipeline.doubted({"passed": False, "checks": told}))

    always = {Stage.AUDIO_MIXING, Stage.VIDEO_ASSEMBLY}
    seen = {Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION, Stage.VIDEO_GENERATION}
    assert doubted(loudness_lufs=False, black_s=True, frozen=None) == always
    assert doubted(speech_in_each_scene=False) == always | {Stage.TTS_GENERATION}
    assert doubted(duration_s=False, frozen=False) == always | seen | {Stage.TTS_GENERATION}
    assert set(pipeline.BEHIND) <= set(GATES), "a check was renamed"
