"""What a stage concludes, besides files: one type a stage. The journey alone writes them down."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from reelwright.generations.model import NewArtefact, Part, Scene, Source, Story
from reelwright.ground.metering import Use


class Ingested(msgspec.Struct, frozen=True, tag="ingested"):
    source: Source


class Written(msgspec.Struct, frozen=True, tag="written"):
    stories: tuple[Story, ...]


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """Scenes for each variant, in the variants' order."""

    scenes: tuple[tuple[Scene, ...], ...]


class Rewritten(msgspec.Struct, frozen=True, tag="rewritten"):
    """One part in other words: `hashtags` for those (without '#'), `text` for the others.

    `claim` is the source's own sentence behind a hook or a scene's text, or None.
    """

    part: Part
    text: str = ""
    hashtags: tuple[str, ...] = ()
    claim: str | None = None


class Drawn(msgspec.Struct, frozen=True, tag="drawn"):
    """`seen_as` is the picture's difference hash, 16 hex digits: nearly the same for pictures that look alike."""

    seen_as: str | None = None


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """Scores 0..100. `score` is the worst of them; below 60 the picture is made again, at most 3 times in all.

    `kept`: it isn't made again all the same, since what the reel may spend on that is used up; `reasons` say so.
    """

    score: int
    scores: dict[str, int]
    reasons: tuple[str, ...]
    kept: bool = False


class Animated(msgspec.Struct, frozen=True, tag="animated"):
    pass


class Spoken(msgspec.Struct, frozen=True, tag="spoken"):
    duration_ms: int


class Mixed(msgspec.Struct, frozen=True, tag="mixed"):
    """`chunks` is how many VIDEO_ASSEMBLY chunks the timeline falls into."""

    chunks: int
    duration_ms: int


class Encoded(msgspec.Struct, frozen=True, tag="encoded"):
    frames: int


class Released(msgspec.Struct, frozen=True, tag="released"):
    """The reel is made. `gate`: {"passed": bool, "checks": [{"name", "passed", "value", "limit"}]}."""

    duration_ms: int
    gate: dict[str, object]


Outcome = Ingested | Written | Planned | Rewritten | Drawn | Judged | Animated | Spoken | Mixed | Encoded | Released


def kept(result: Outcome | Mapping[str, object]) -> str:
    """Return the JSON that a run keeps of its outcome: only the type where it has tables of its own."""
    if isinstance(result, Ingested | Written | Planned):
        result = {"type": result.__struct_config__.tag}
    return msgspec.json.encode(result).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What one stage run made. It becomes true when the journey commits it, and not before."""

    outcome: Outcome
    artefacts: tuple[NewArtefact, ...] = ()
    uses: tuple[Use, ...] = ()
