"""A claim of a model's is a source's whole sentence and says what is narrated, or it is none."""

from dataclasses import replace

import pytest

from reelwright.providers.evidence import evidence_of
from reelwright.providers.model import Brief, Facts

BODY = (
    "An octopus has three hearts.[1] Dr. Smith found “two of them” idle\nwhile it swims. It weighs 3.5 kg at most.\n\n"
    "It doesn't swim far. Its blood is blue."
)
BRIEF = Brief(
    topic="Octopus",
    facts=Facts(kind="url", title="Hearts", body=BODY),
    platform="tiktok",
    tone="curious",
    language="en",
    duration_s=16,
    words=40,
    scenes=2,
)
HEARTS, BLUE = "An octopus has three hearts.", "Its blood is blue."
IDLE = "Dr. Smith found “two of them” idle while it swims."
KEPT = {
    "word for word": (HEARTS, "Three hearts beat in an octopus, and that is how it lives.", HEARTS),
    "in other marks": ('dr Smith  found "two of them"\nidle while it swims', "Two idle, found Smith.", IDLE),
    "two that follow each other": (f"{HEARTS} {IDLE}", "An octopus has three hearts.", f"{HEARTS} {IDLE}"),
    "of one sentence of several": (BLUE, "So it would crawl. Blue blood tires.", BLUE),
    "with a number": ("It weighs 3.5 kg at most.", "At most it weighs 3.5 kg.", "It weighs 3.5 kg at most."),
}  # fmt: skip
DROPPED = {
    "a letter": ("t", "An octopus has three hearts."),
    "a word": ("octopus", "An octopus has three hearts."),
    "a part": ("An octopus has three", "An octopus has three hearts."),
    "an abbreviation's rest": ("Smith found “two of them” idle while it swims.", "Smith found two of them idle."),
    "two with one left out": (f"{HEARTS} It weighs 3.5 kg at most.", "An octopus has three hearts."),
    "no sentence of the source": ("An octopus has nine hearts.", "An octopus has nine hearts."),
    "another number": ("It weighs 35 kg at most.", "It weighs 35 kg at most."),
    "one that says something else": ("Its blood is blue.", "An octopus would rather crawl over the ground."),
    "one that the narration turns round": ("It doesn't swim far.", "An octopus can swim far."),
    "one that has another number": ("It weighs 3.5 kg at most.", "At most it weighs 7 kg."),
    "nothing": ("", HEARTS),
    "none": (None, HEARTS),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_whole_sentence_that_is_told_is_kept_as_the_source_has_it(case: str) -> None:
    claim, narration, kept = KEPT[case]
    assert evidence_of(BRIEF).behind(claim, narration) == kept


@pytest.mark.parametrize("case", DROPPED)
def test_what_is_no_sentence_or_is_not_told_is_dropped(case: str) -> None:
    claim, narration = DROPPED[case]
    assert evidence_of(BRIEF).behind(claim, narration) is None


def test_what_cannot_be_compared_is_taken_as_a_whole_sentence_only() -> None:
    """A translation shares no words with its source, and in Japanese nobody sees where one ends."""
    german = evidence_of(replace(BRIEF, language="de"))
    assert german.behind(HEARTS, "Drei Herzen schlagen in einem Oktopus.") == HEARTS
    assert german.behind("hearts", "Drei Herzen schlagen in einem Oktopus.") is None
    body = "タコには三つの心臓がある。血は青い。泳ぐのは苦手で、這うほうを好む。"
    japanese = evidence_of(
        replace(BRIEF, language="ja", facts=Facts(kind="text", title="タコ", body=body, language="ja"))
    )
    assert japanese.behind("血は青い。", "青い血が流れています。") == "血は青い。"
    assert japanese.behind("青い。", "青い血が流れています。") is None


def test_nothing_is_claimed_where_nothing_is_known() -> None:
    assert evidence_of(replace(BRIEF, facts=replace(BRIEF.facts, kind="none"))).behind(HEARTS, HEARTS) is None
