"""Chooses another set of hashtags: the subject and the platform stay, the key words take turns."""

from reelwright.providers.model import Rewrite
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import Language
from reelwright.providers.offline.rewriting_choice import none_left

_A_SET = 4  # key words
_MOST_SETS = 8


def another_set(order: Rewrite, *, subject: str, phrases: list[str], language: Language) -> tuple[str, ...]:
    """Return the take's turn among the sets that differ from the present one. Raises NoAlternative."""
    once = list(dict.fromkeys(phrase.casefold() for phrase in phrases))
    windows = [once[at : at + _A_SET] for at in range(0, len(once), _A_SET)][:_MOST_SETS]
    if len(windows) <= 2:  # noqa: PLR2004 - so that takes in a row have two to take turns with
        windows += [once[at : at + 2] for at in range(0, len(once), 2)] + [[]]
    sets: list[tuple[str, ...]] = []
    for window in windows:
        tags = frame.hashtags(
            subject,
            window,
            platform=order.brief.platform,
            language=language,
            is_outline=order.brief.facts.kind == "none",
        )
        if not any(set(tags) == set(known) for known in (*sets, order.story.hashtags)):
            sets.append(tags)
    if not sets:
        raise none_left()
    return sets[order.take % len(sets)]
