"""How a reel was made, as its maker knows it, and what the gate asks of that: its encodes, its files, its mark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from reelwright.rendering import thumbnails
from reelwright.rendering.disclosure import SOURCE_TYPE
from reelwright.rendering.gates import Check
from reelwright.rendering.probe import PRINT_BYTES, Probe

LOSSLESS = frozenset({"flac", "pcm_s16le", "pcm_s24le", "pcm_f32le"})
SSIM, SSIM_WORST, QUANTISER = 0.92, 0.90, 30.0
"""The least likeness of a reel, and of any of its chunks, to what was painted (x264's SSIM of luma), and the most that
its frames may be quantised. As we encode it is 0.99 in drawings, 0.93 to 0.96 in a photograph's texture, both at a
quantiser of 24 to 27; each three steps more take 1 to 4 of VMAF, and beyond 30 5 and more."""
MEGABYTES, MOST_MEGABYTES, COARSE = 12.0, 187.5, 20.0
"""Megabytes a minute: of what is finer than a quantiser of 20, and of what is not, which needs its bits (25 Mbit/s)."""
STILL_BYTES = 2_000_000  # what YouTube takes for a thumbnail
WIDE = "thumbnail_wide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A thumbnail as it was read from its file: its name, form, size in pixels and bytes, and its time in the reel."""

    name: str
    form: str
    width: int
    height: int
    size_bytes: int
    at_ms: int


class Chunk(msgspec.Struct, frozen=True):
    """What is kept of a chunk's encoding: its frames [first, last), and the SHA-256 of its pictures.

    `ssim` is how like its luma is to what was painted, 0..1, None where it wasn't compared; `quantiser` the mean of its
    frames, None where that wasn't kept. `painted` is whether all its sources were without loss, `clips` their SHA-256
    by scene.
    """

    first: int
    last: int
    pictures: str = ""
    ssim: float | None = None
    quantiser: float | None = None
    painted: bool = False
    clips: dict[str, str] = msgspec.field(default_factory=dict[str, str])

    def is_in(self, delivered: Probe) -> bool:
        """Return whether a file holds exactly these pictures at their place."""
        return self.pictures == digest(delivered, self.first, self.last)


def digest(p: Probe, first: int, last: int) -> str:
    """Return the SHA-256 of what is coded of frames [first, last)."""
    return sha256(p.pictures[PRINT_BYTES * first : PRINT_BYTES * last]).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What went into a file: its chunks in order, the codec of its mix, and its thumbnails, the best first.

    `unlike` names inputs that the manifest lacks, or names otherwise than they are.
    """

    chunks: tuple[Chunk, ...]
    mix_codec: str
    stills: tuple[Still, ...]
    unlike: tuple[str, ...]


def checks(made: Making | None, p: Probe, *, ours: bool) -> Iterator[Check]:
    """Judge what only the maker knows; without it nothing is, but a mark that an `ours` file must have."""
    yield _generations(made, p)
    yield from _fidelity(made, p)
    yield _thumbnails(made, p)
    unlike = None if made is None else list(made.unlike)
    yield Check("reproducible", None if unlike is None else not unlike, {"packets": p.packets, "unlike": unlike}, [])
    marked = p.source_type == SOURCE_TYPE
    yield Check("disclosure", marked if ours else marked or None, p.source_type or "none", SOURCE_TYPE)


def _generations(made: Making | None, p: Probe) -> Check:
    if made is None:
        return Check("lossy_generations", None, None, [1, 1])
    video = 1 + (not all(c.painted for c in made.chunks)) + (not all(c.is_in(p) for c in made.chunks))
    told = [video, 1 + (made.mix_codec not in LOSSLESS)]
    return Check("lossy_generations", told == [1, 1], told, [1, 1])


def _fidelity(made: Making | None, p: Probe) -> Iterator[Check]:
    limit = [SSIM, SSIM_WORST, QUANTISER]
    rate = round(p.size_bytes / 1e6 / (p.video_ms / 60_000), 1) if p.video_ms else 0.0
    chunks = made.chunks if made else ()
    compared = [(c.last - c.first, c.ssim) for c in chunks if c.ssim is not None]
    coarse = _mean([(c.last - c.first, c.quantiser) for c in chunks if c.quantiser is not None])
    if not compared or coarse is None:
        yield Check("fidelity", None, None, limit)
        yield Check("mb_a_minute", None, rate, MEGABYTES)
        return
    like, worst = _mean(compared) or 0.0, min(ssim for _, ssim in compared)
    holds = like >= SSIM and worst >= SSIM_WORST and coarse <= QUANTISER
    yield Check("fidelity", holds, [round(like, 4), round(worst, 4), round(coarse, 1)], limit)
    most = MEGABYTES if coarse < COARSE else MOST_MEGABYTES
    yield Check("mb_a_minute", rate <= most, rate, most)


def _mean(told: Sequence[tuple[int, float]]) -> float | None:
    """Return the mean of values that so many frames have each."""
    frames = sum(n for n, _ in told)
    return sum(n * value for n, value in told) / frames if frames else None


def _thumbnails(made: Making | None, p: Probe) -> Check:
    size, wide, largest = [p.width, p.height], [*thumbnails.WIDE], STILL_BYTES / 1e6
    limit: dict[str, object] = {"size": size, "wide": wide, "mb": largest, "within_s": round(p.video_ms / 1000, 3)}
    if made is None:
        return Check("thumbnails", None, None, limit)
    wrong = [
        still.name
        for still in made.stills
        if still.form != "JPEG"
        or [still.width, still.height] != (wide if still.name == WIDE else size)
        or still.size_bytes > STILL_BYTES
        or not 0 <= still.at_ms < p.video_ms
    ]
    value = {
        "files": len(made.stills),
        "wrong": wrong,
        "mb": round(max((still.size_bytes for still in made.stills), default=0) / 1e6, 2),
        "cover_s": made.stills[0].at_ms / 1000 if made.stills else None,
    }
    kinds = {still.name == WIDE for still in made.stills}
    wrong += [] if True in kinds or not kinds else [WIDE]
    return Check("thumbnails", False in kinds and not wrong, value, limit)
