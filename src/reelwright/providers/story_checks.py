"""What is measured of stories besides their shape: hooks that hold, variants that differ, nothing told twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from reelwright.ground.cleaning import line_of, words_in
from reelwright.providers import likeness
from reelwright.providers import openai_prompts as prompts
from reelwright.providers.tongue import speaks

__all__ = ["HOOK_WORDS", "Told", "doubts", "hook_doubts", "speaks"]

HOOK_WORDS = 18
"""Words that a hook has at most: they are said in less than eight seconds."""

_SOME_MORE = 4  # words beyond that are no reason to pay for a repair
_SEVERAL = 3  # stories of which not all may open alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What of a story is heard first, and all that is spoken."""

    title: str
    hook: str
    narration: str


def doubts(stories: Sequence[Told], recent: Sequence[str]) -> list[str]:
    """Return what is wrong with stories that could be used all the same, in words for a repair."""
    found = [
        f"story {n}: {doubt}"
        for n, story in enumerate(stories, 1)
        for doubt in (*hook_doubts(story.hook, recent), *_opening_doubts(story, recent))
    ]
    for (n, one), (m, other) in combinations(enumerate(stories, 1), 2):
        if likeness.likeness(one.hook, other.hook) >= likeness.ALIKE:
            found.append(f"stories {n} and {m} have the same hook: take another angle")
        elif likeness.likeness(one.narration, other.narration) >= likeness.RETOLD:
            found.append(f"stories {n} and {m} tell the same: take another angle")
    if len(stories) >= _SEVERAL and len({likeness.kind_of(story.hook) for story in stories}) == 1:
        found.append("all hooks are of one kind: question, number, contrast or statement")
    return found


def hook_doubts(hook: str, recent: Sequence[str]) -> list[str]:
    """Return what is wrong with a hook: too long, worn, or as an earlier reel's."""
    found: list[str] = []
    if words_in(hook) > HOOK_WORDS + _SOME_MORE:
        found.append(f"the hook has {words_in(hook)} words; it may have {HOOK_WORDS}")
    if line_of(hook).casefold().lstrip("¡¿\"'“ ").startswith(prompts.WORN):
        found.append("the hook begins as thousands do: say something of the subject")
    if likeness.echoes(hook, recent):
        found.append("the hook is like that of an earlier video")
    return found


def _opening_doubts(story: Told, recent: Sequence[str]) -> list[str]:
    found: list[str] = []
    if not _plain(story.narration).startswith(_plain(story.hook)):
        found.append("the first beat doesn't begin with the hook, word for word")
    if likeness.echoes(story.title, recent):
        found.append("the title is like that of an earlier video")
    return found


def _plain(text: str) -> str:
    """Return a text's letters and digits: a comma or a capital more is no other hook."""
    return "".join(char for char in text.casefold() if char.isalnum())
