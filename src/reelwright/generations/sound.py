"""What a generation sounds like, as it was chosen at its order: voice and music as plain values."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChoice:
    """Who narrates, and how: `speed` 0.8 to 1.25 times the voice's own, `pitch` in semitones, -4 to 4.

    `gap_ms`: how long it is silent between two sentences; None: as long as the voice is by itself.
    """

    name: str = "default"
    speed: float = 1.0
    pitch: int = 0
    gap_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A person's own piece of music, as it lies in storage: stereo FLAC at 48 kHz. `first_beat_ms`: where one falls."""

    id: UUID
    key: str
    sha256: str
    duration_ms: int
    bpm: float | None = None
    first_beat_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicChoice:
    """What plays: the `track`, else what is composed for the `mood`, else nothing. A seed makes one piece only."""

    mood: str | None = None
    seed: int | None = None
    track: Track | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What a generation sounds like, as it was chosen at its order: later changes of drafts and profiles are others'.

    `music` is None where nobody said so: then the draft decides, as it does for orders from before this was kept.
    """

    voice: VoiceChoice | None = None
    music: MusicChoice | None = None
