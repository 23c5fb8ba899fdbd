"""Cases F01 to F15: a worker dies at every point of every stage; another goes on where it was."""

from functools import partial

from reelwright.ground.ids import GenerationId
from tests.chaos.cases import makes
from tests.chaos.fleet import LEASE, PATIENCE_S, SWEEP, Fleet
from tests.chaos.stages import repeated
from tests.waiting import wait_until

SIDE_BY_SIDE = {"VIDEO_GENERATION", "TTS_GENERATION"}
"""Who dies in one of them may have been at the other too."""
AFTER_CLAIM = (
    ("INGESTION",),
    ("STORY_WRITING",),
    ("SCENE_GENERATION",),
    ("VISUAL_GENERATION", "VISUAL_VERIFICATION"),
    ("VIDEO_GENERATION", "TTS_GENERATION"),
    ("AUDIO_MIXING",),
    ("VIDEO_ASSEMBLY",),
)
BEFORE_COMMIT = (
    (("INGESTION", "after_provider"),),
    (("STORY_WRITING", "after_provider"),),
    (("SCENE_GENERATION", "in_complete_tx"),),
    (("VISUAL_GENERATION", "after_put"), ("VISUAL_VERIFICATION", "after_provider")),
    (("VIDEO_GENERATION", "after_put"), ("TTS_GENERATION", "after_put")),
    (("AUDIO_MIXING", "in_complete_tx"),),
    (("VIDEO_ASSEMBLY", "after_put"),),
)
_STATE = "SELECT state FROM generations WHERE id = :id"
_ATTEMPTS = "SELECT stage, attempt, fence, won_fence FROM stage_runs WHERE generation_id = :id"
_RESUMED = """
    SELECT min(CAST(extract(epoch FROM again.at - first.at) AS float8))
      FROM generation_events first, generation_events again
     WHERE first.generation_id = :id AND again.generation_id = :id AND first.kind = 'stage_started'
       AND again.kind = 'stage_started' AND again.seq > first.seq AND first.data - 'attempt' = again.data - 'attempt'
"""


async def succeeded(on: Fleet, generation: GenerationId) -> None:
    await on.ended(generation)
    assert await on.one(_STATE, id=generation) == "succeeded"


async def killed(on: Fleet, stage: str, point: str) -> GenerationId:
    """Let a worker die there in a new generation; return when that has succeeded all the same."""
    generation = await on.order()
    victim = await on.strike(f"stage.{stage}.{point}=kill9@1")
    await wait_until(lambda: not victim.program.alive, timeout=PATIENCE_S, message="it did not die")
    await succeeded(on, generation)
    await victim.revive()
    return generation


async def after_claim(on: Fleet, stages: tuple[str, ...]) -> None:
    """It is taken over within lease and sweep; nothing that was finished is done again, and nothing twice."""
    for stage in stages:
        generation = await killed(on, stage, "after_claim")
        attempts = {row.stage: row for row in await on.rows(_ATTEMPTS, id=generation) if row.attempt > 1}
        assert attempts
        assert all(row.fence >= 2 * row.attempt - 1 for row in attempts.values())  # taken over by a sweep, and claimed
        assert stage in attempts
        assert attempts.keys() <= {stage, *(SIDE_BY_SIDE if stage in SIDE_BY_SIDE else ())}
        assert not repeated(on.calls(generation))[stage], "who died after its claim had called nobody yet"
        waited = await on.one(_RESUMED, id=generation)
        assert waited < (LEASE + 2 * SWEEP).total_seconds() + 5, f"taken over after {waited:.1f} s"


async def before_commit(on: Fleet, points: tuple[tuple[str, str], ...]) -> None:
    """The work is done once more and counts once: one result, one row for each file, one line on the ledger."""
    for stage, point in points:
        generation = await killed(on, stage, point)
        again = repeated(on.calls(generation))
        assert again[stage] == 1
        assert again.keys() <= {stage, *(SIDE_BY_SIDE if stage in SIDE_BY_SIDE else ())}


for number, stages in enumerate(AFTER_CLAIM, start=1):
    makes(f"F{number:02}", quick=len(stages) == 1)(partial(after_claim, stages=stages))
for number, points in enumerate(BEFORE_COMMIT, start=8):
    makes(f"F{number:02}", quick=len(points) == 1)(partial(before_commit, points=points))


@makes("F15", quick=True)
async def after_the_commit(on: Fleet) -> None:
    """Redelivery finds the run finished: nothing is done again, and what follows was promised by the commit."""
    generation = await killed(on, "STORY_WRITING", "after_commit")
    assert not repeated(on.calls(generation))
    assert {row.attempt for row in await on.rows(_ATTEMPTS, id=generation)} == {1}
