"""Picks another wording than the present one, in turn: takes in a row differ, and none repeats what stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from reelwright.providers.model import NoAlternative
from reelwright.providers.offline.language import words_of


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to put a part. `claim`: the source's own sentences behind it."""

    text: str
    claim: str | None = None


def alike(one: str, other: str) -> bool:
    """Whether two texts have the same words in the same order."""
    return [w.casefold() for w in words_of(one)] == [w.casefold() for w in words_of(other)]


def others(ways: Sequence[Wording], *, present: str) -> list[Wording]:
    """Return the ways that say something else than the present text, each once."""
    found: list[Wording] = []
    for way in ways:
        if not alike(way.text, present) and not any(alike(way.text, known.text) for known in found):
            found.append(way)
    return found


def next_of(ways: Sequence[Wording], *, present: str, take: int) -> Wording:
    """Return the take's turn among the ways that aren't the present one.

    As the present one is always left out, a chain of takes walks through all of them. Raises NoAlternative.
    """
    found = others(ways, present=present)
    if not found:
        raise none_left()
    return found[take % len(found)]


def none_left() -> NoAlternative:
    """Return the refusal for a part that can't truthfully be put in another way."""
    return NoAlternative(
        "The source holds nothing else to say here: give a longer source, rewrite another part, or edit this one.",
        field="part",
    )
