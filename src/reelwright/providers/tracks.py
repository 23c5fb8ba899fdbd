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
    bpm: float
    seed: int

    @property
    def id(self) -> UUID:
        """The id that this track has everywhere."""
        return derived("track", self.mood, self.seed)


def _tracks(mood: str, genre: str, *each: tuple[str, float, int]) -> tuple[BuiltInTrack, ...]:
    return tuple(BuiltInTrack(title=title, mood=mood, genre=genre, bpm=bpm, seed=seed) for title, bpm, seed in each)


TRACKS = (
    *_tracks(
        "calm",
        "ambient",
        ("Still water", 63.8, 23),
        ("Slow light", 66.1, 54),
        ("Morning mist", 70.6, 4),
        ("Open sky", 73.5, 29),
    ),
    *_tracks(
        "curious",
        "downtempo",
        ("Small questions", 83.6, 23),
        ("Pocket lamp", 87.1, 24),
        ("Turning stones", 91.9, 5),
        ("Side street", 95.7, 29),
    ),
    *_tracks(
        "energetic",
        "electronic",
        ("Quick steps", 110.2, 23),
        ("Bright wire", 114.8, 24),
        ("Green light", 119.5, 5),
        ("High gear", 122.5, 29),
    ),
    *_tracks(
        "serious",
        "cinematic",
        ("Long shadow", 71.8, 23),
        ("Iron bridge", 75.6, 24),
        ("Deep archive", 79.7, 5),
        ("Grey harbour", 83.6, 29),
    ),
    *_tracks(
        "warm",
        "acoustic",
        ("Kitchen window", 75.6, 23),
        ("Porch song", 79.7, 24),
        ("Old friends", 83.6, 5),
        ("Late sun", 87.1, 29),
    ),
)
