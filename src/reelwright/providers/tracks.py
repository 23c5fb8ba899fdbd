"""The tracks that come with the composer: each is a mood and a seed, which always make the same music."""

from dataclasses import dataclass
from uuid import UUID

from reelwright.ground.ids import derived

MOODS = ("calm", "curious", "energetic", "serious", "warm")
GENRES = ("ambient", "downtempo", "electronic", "cinematic", "acoustic")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInTrack:
    """One track. `seed` decides tempo, key, chords and rhythm within the mood; `bpm` says what it decides."""

    title: str
    mood: str
    genre: str
    bpm: int
    seed: int

    @property
    def id(self) -> UUID:
        """The id that this track has everywhere."""
        return derived("track", self.mood, self.seed)


def _tracks(mood: str, genre: str, *each: tuple[str, int, int]) -> tuple[BuiltInTrack, ...]:
    return tuple(BuiltInTrack(title=title, mood=mood, genre=genre, bpm=bpm, seed=seed) for title, bpm, seed in each)


TRACKS = (
    *_tracks(
        "calm",
        "ambient",
        ("Still water", 64, 23),
        ("Slow light", 67, 54),
        ("Morning mist", 71, 4),
        ("Open sky", 74, 29),
    ),
    *_tracks(
        "curious",
        "downtempo",
        ("Small questions", 84, 23),
        ("Pocket lamp", 88, 24),
        ("Turning stones", 92, 5),
        ("Side street", 96, 29),
    ),
    *_tracks(
        "energetic",
        "electronic",
        ("Quick steps", 112, 23),
        ("Bright wire", 116, 24),
        ("Green light", 120, 5),
        ("High gear", 124, 29),
    ),
    *_tracks(
        "serious",
        "cinematic",
        ("Long shadow", 72, 23),
        ("Iron bridge", 76, 24),
        ("Deep archive", 80, 5),
        ("Grey harbour", 84, 29),
    ),
    *_tracks(
        "warm",
        "acoustic",
        ("Kitchen window", 76, 23),
        ("Porch song", 80, 24),
        ("Old friends", 84, 5),
        ("Late sun", 88, 29),
    ),
)
