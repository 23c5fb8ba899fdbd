"""Of pictures that look alike one is drawn again, in whatever order they come; and further tries end at the budget."""

import itertools
from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.generations import Drawn, GenerationKind, Judged, Outcome, Stage, Unit, pipeline, verdicts

PICTURE, CHECK = Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION
SAME, NEARLY = f"{0:016x}", f"{0b1111:016x}"


def judged(score: int = 90) -> Judged:
    return Judged(score=score, scores={"quality": score}, reasons=("given",))


def played(
    scenes: int,
    order: Callable[[list[Unit]], Unit],
    *,
    print_of: Callable[[Unit], str],
    score: Callable[[Unit], int] = lambda _: 90,
) -> dict[Unit, Outcome]:
    """Draw and judge as a reel does, one completion after the other, until nothing is left to do."""
    finished: dict[Unit, Outcome] = {}
    while True:
        due = pipeline.due(GenerationKind.RENDER, finished, scenes=scenes).units
        left = [unit for unit in due if unit not in finished and unit.stage in {PICTURE, CHECK}]
        if not left:
            return finished
        unit = order(left)
        if unit.stage is PICTURE:
            finished[unit] = Drawn(seen_as=print_of(unit))
        else:
            others = verdicts.prints(finished, unit.scene or 0)
            finished[unit] = verdicts.settled(finished, unit, judged(score(unit)), others, scenes=scenes)


def apart(unit: Unit) -> str:
    """A print that is like no other one's."""
    return sha256(f"{unit.scene} {unit.round}".encode()).hexdigest()[:16]


def twins(unit: Unit) -> str:
    """First tries that all look alike, then different ones."""
    return (SAME, NEARLY)[(unit.scene or 0) % 2] if unit.round == 0 else apart(unit)


def drawn_again(finished: dict[Unit, Outcome]) -> list[int | None]:
    return sorted(unit.scene or 0 for unit in finished if unit.stage is PICTURE and unit.round > 0)


@pytest.mark.parametrize(
    ("steps", "again"),
    [
        ("P0 C0 P1 C1", 1),
        ("P1 C1 P0 C0", 0),  # whoever comes second sees the first
        ("P0 P1 C0 C1", 1),  # and of two at once it is the later scene
        ("P0 P1 C1 C0", 1),
        ("P1 P0 C1 C0", 1),
    ],
)
def test_of_two_alike_exactly_one_is_drawn_again(steps: str, again: int) -> None:
    told = iter(steps.split())

    def order(left: Sequence[Unit]) -> Unit:
        wanted = next(told, None)
        return next((u for u in left if f"{'PC'[u.stage is CHECK]}{u.scene}" == wanted), left[0])

    finished = played(2, order, print_of=twins)

    assert drawn_again(finished) == [again]
    verdict = finished[Unit(stage=CHECK, scene=again)]
    assert isinstance(verdict, Judged)
    assert (verdict.score, verdict.scores, verdict.reasons[1:]) == (50, {"quality": 50}, ("given",))
    assert f"the picture of scene {2 - again}" in verdict.reasons[0]
    assert finished[Unit(stage=CHECK, scene=1 - again)] == judged()


@given(choices=st.lists(st.integers(0, 20), min_size=60, max_size=60), scenes=st.integers(2, 5))
def test_in_whatever_order_all_but_one_of_those_alike_are_drawn_again_once(choices: list[int], scenes: int) -> None:
    turns = iter(choices)
    finished = played(scenes, lambda left: left[next(turns) % len(left)], print_of=twins)
    assert len(drawn_again(finished)) == scenes - 1
    shown = {scene: finished[Unit(stage=PICTURE, scene=scene, round=best(finished, scene))] for scene in range(scenes)}
    seen = [int(drawn.seen_as or "", 16) for drawn in shown.values() if isinstance(drawn, Drawn)]
    assert all((one ^ other).bit_count() > 4 for one, other in itertools.combinations(seen, 2))


def best(finished: dict[Unit, Outcome], scene: int) -> int:
    found = pipeline.best_round(finished, scene)
    assert found is not None
    return found


def test_what_is_drawn_again_anyway_stands_in_nobodys_way() -> None:
    bad = {Unit(stage=PICTURE, scene=0): Drawn(seen_as=SAME), Unit(stage=CHECK, scene=0): judged(30)}
    assert verdicts.prints(bad, 1) == {}
    assert verdicts.prints({**bad, Unit(stage=CHECK, scene=0): judged()}, 1) == {0: SAME}
    older = {
        Unit(stage=PICTURE, scene=0): Drawn(),
        Unit(stage=CHECK, scene=0): judged(),
    }  # from before prints were kept
    assert verdicts.prints(older, 1) == {}


@given(
    choices=st.lists(st.integers(0, 50), min_size=90, max_size=90), scenes=st.integers(1, 8), score=st.integers(0, 59)
)
def test_further_tries_of_all_scenes_end_at_the_budget_and_say_so(choices: list[int], scenes: int, score: int) -> None:
    turns = iter(choices)
    finished = played(scenes, lambda left: left[next(turns) % len(left)], print_of=apart, score=lambda _: score)

    assert len(drawn_again(finished)) == verdicts.budget(scenes) == max(scenes, 2)
    for scene in range(scenes):
        units, settled = pipeline.takes(finished, scene)
        last = finished[units[-1]]
        assert settled
        assert isinstance(last, Judged)
        assert last.kept == (units[-1].round < 2) == (verdicts.SPENT in last.reasons)


def test_who_passes_takes_nothing_from_the_budget() -> None:
    bad = {Unit(stage=CHECK, scene=3, round=number) for number in range(3)}
    finished = played(4, lambda left: left[0], print_of=apart, score=lambda unit: 30 if unit in bad else 90)
    assert drawn_again(finished) == [3, 3]
    assert not any(isinstance(verdict, Judged) and verdict.kept for verdict in finished.values())
