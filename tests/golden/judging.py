"""What a creator would be ashamed of, as checks on a finished reel: pictures, pauses, hashtags, words."""

from collections.abc import Sequence
from itertools import pairwise

from reelwright.generations import Variant
from reelwright.providers.offline.drawing_prompt import read
from reelwright.providers.offline.illustrations import Illustrations, content_words, stem
from reelwright.providers.offline.illustrations_abroad import ENGLISH, named_in, tongue_of
from reelwright.providers.offline.illustrations_plain import PLAIN
from reelwright.rendering import Timeline
from tests.golden.inputs import Golden

LEAST_SPOKEN = 0.85  # of a reel's time: less, and people wait for the next word
LONGEST_PAUSE_MS, LONGEST_TAIL_MS = 800, 1_200
LONGEST_TAG = 24  # letters; ideographs count three times


def words_wrong(one: Golden, told: str, subtitles: str) -> list[str]:
    """Return what is missing from what is told, and what mustn't be in it or in the subtitles' lines."""
    wrong: list[str] = []
    if one.told and not any(word.casefold() in told.casefold() for word in one.told):
        wrong.append(f"none of {', '.join(one.told)} is told")
    lines = (line for line in subtitles.splitlines() if " --> " not in line)
    everything = f"{told}\n" + "\n".join(lines)
    return wrong + [f"{word!r} is told" for word in one.never if word.casefold() in everything.casefold()]


def sound_wrong(timeline: Timeline) -> list[str]:
    """Return where nobody speaks for too long: between two words, behind the last one, or all in all."""
    marks = [(word.start_ms, word.end_ms) for word in timeline.words]
    if not marks:
        return ["nobody speaks"]
    pauses = [(after[0] - before[1], before[1]) for before, after in pairwise(marks)]
    wrong = [f"{ms} ms of music at {at / 1000:.1f} s" for ms, at in pauses if ms > LONGEST_PAUSE_MS]
    tail_ms = timeline.duration_ms - marks[-1][1]
    if tail_ms > LONGEST_TAIL_MS:
        wrong.append(f"{tail_ms} ms of music at the end")
    share = spoken_share(timeline)
    return wrong + ([f"{share:.0%} spoken"] if share < LEAST_SPOKEN else [])


def spoken_share(timeline: Timeline) -> float:
    """Return the share of a reel in which someone speaks; a breath between two words of a scene belongs to it."""
    spans: dict[int, tuple[int, int]] = {}
    for word in timeline.words:
        first, last = spans.get(word.scene, (word.start_ms, word.end_ms))
        spans[word.scene] = min(first, word.start_ms), max(last, word.end_ms)
    return sum(last - first for first, last in spans.values()) / timeline.duration_ms


def pictures_wrong(one: Golden, variant: Variant, topic: str) -> list[str]:
    """Return heroes that no word of their scene, or of the topic, asks for, and a missing subject.

    A plain shape says nothing, and so nothing wrong.
    """
    catalogue, heroes, wrong = Illustrations.load(), list[str](), list[str]()
    tongue = tongue_of("\n".join(scene.narration for scene in variant.scenes))
    for scene in variant.scenes:
        directions = read(scene.image_prompt)
        hero = catalogue.find(directions.hero) if directions else None
        if hero is None:
            wrong.append(f"scene {scene.index} has no known hero")
            continue
        heroes.append(hero.name)
        asked = _named(f"{scene.visual}\n{scene.narration}\n{topic}", tongue)
        if hero.name not in PLAIN and not asked & {stem(word) for word in (*hero.words, *hero.name.split())}:
            wrong.append(f"scene {scene.index} shows {hero.name}, which nobody speaks of")
    if one.shown and not set(one.shown) & set(heroes):
        wrong.append(f"shown are {', '.join(heroes)}: none of {', '.join(one.shown)}")
    return wrong


def _named(text: str, tongue: str) -> set[str]:
    return {stem(word) for word in (content_words(text) if tongue == ENGLISH else named_in(text, tongue))}


def hashtags_wrong(tags: Sequence[str]) -> list[str]:
    """Return hashtags that are no word but a run of them."""
    return [
        f"#{tag} runs together" for tag in tags if sum(3 if "\u3040" <= c <= "\u9fff" else 1 for c in tag) > LONGEST_TAG
    ]
