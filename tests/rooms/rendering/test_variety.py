"""Scenes that show one picture are found, whatever stands in it as a caption and however the camera goes."""

from pathlib import Path

from PIL import Image

from reelwright.generations import verdicts
from reelwright.rendering import Timeline, Word, plan, variety, wording
from tests.rooms.rendering.fixture import picture, take

SIZE, SOURCE = (144, 256), (311, 552)
KINDS = ("push_in", "pan_left", "pull_out", "pan_up")


def timeline(*kinds: str) -> Timeline:
    words = (Word("Hello", 100, 500), Word("there.", 600, 1900))
    takes = [take(motion=kind, words=words) for kind in kinds]
    return plan(takes, target_ms=3000 * len(takes), width=1080, height=1920, platform="tiktok")


def tiles(folder: Path, reel: Timeline, pictures: list[Path]) -> list[tuple[float, Path]]:
    """Small pictures of a reel, one a second, as its camera sees them, with other stripes for captions in each half."""
    made: list[tuple[float, Path]] = []
    covered = wording.covered(reel)
    assert covered is not None
    top, bottom = (round(edge * SIZE[1] / 1920) for edge in (covered.top, covered.bottom))
    stripes = Image.linear_gradient("L").rotate(90).resize((SIZE[0], bottom - top))
    for second in range(reel.frames // 30):
        shot = reel.seen(second * 30, second * 30 + 1)[-1]
        with Image.open(pictures[shot.scene]) as source:
            window = shot.window(second * 30, width=source.width, height=source.height)
            shown = source.convert("RGB").resize(SIZE, box=window)
        late = shot.scene * 2 >= len(reel.shots)
        shown.paste(stripes.rotate(180) if late else stripes, (0, top))
        made.append((float(second), folder / f"tile_{second}.png"))
        shown.save(made[-1][1])
    return made


def test_one_picture_in_two_scenes_is_found_under_other_captions_and_another_move(tmp_path: Path) -> None:
    reel = timeline(*KINDS)
    one, other, third = (picture(tmp_path / f"{seed}.png", seed=seed, size=SOURCE) for seed in range(3))

    found = variety.variety(reel, tiles(tmp_path, reel, [one, other, one, third]))

    assert found == variety.Variety(4, ((0, 2),))
    assert found.without([(0, 2)]) == variety.Variety(4, ())


def test_scenes_that_differ_are_not_alike_for_sharing_their_captions(tmp_path: Path) -> None:
    reel = timeline(*KINDS)
    pictures = [picture(tmp_path / f"{seed}.png", seed=seed, size=SOURCE) for seed in range(4)]
    assert variety.variety(reel, tiles(tmp_path, reel, pictures)) == variety.Variety(4, ())


def test_a_scene_that_no_small_picture_shows_alone_is_not_compared(tmp_path: Path) -> None:
    reel = timeline("push_in", "pan_left")
    one = picture(tmp_path / "one.png", size=SOURCE)
    shown = tiles(tmp_path, reel, [one, one])  # the fourth stands in the transition
    assert variety.variety(reel, shown[:4]) == variety.Variety(1, ())


def test_twins_are_those_that_their_check_calls_so(tmp_path: Path) -> None:
    """What two pictures may share and still pass must be one answer before they are filmed and after."""
    assert variety.TWIN_BITS == verdicts._TWINS
    assert variety.alike(0b1111, 0)
    assert not variety.alike(0b11111, 0)
    assert variety.alike(*(variety.print_of(picture(tmp_path / "a.png", seed=n, size=SOURCE)) for n in (1, 1)))
