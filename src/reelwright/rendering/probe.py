"""What a finished file is made of, read from itself: streams, tags, the time of every frame, the order of its parts."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

_COLOUR_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix 1 are BT.709
_LIMITED = 1  # FFmpeg's AVCOL_RANGE_MPEG
_ATOM_HEADER = 8
_LONG_ATOM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A file's make. Times are milliseconds. `uneven_ms` is how far the worst frame stands from its 1/30 s step."""

    video_streams: int
    audio_streams: int
    other_streams: int
    width: int
    height: int
    square_pixels: bool
    codec: str
    profile: str
    pixels: str
    bt709: bool
    limited_range: bool
    frames: int
    fps: float
    uneven_ms: float
    video_start_ms: float
    video_ms: float
    audio_codec: str = ""
    audio_rate: int = 0
    audio_channels: int = 0
    audio_start_ms: float = 0.0
    faststart: bool = False


def probe(path: Path) -> Probe:
    """Read a file's streams and the times of all its frames; only the first is decoded.

    Colours count where the container and the picture's own bitstream agree on them. Raises ValueError on a broken file.
    """
    import av  # noqa: PLC0415 - 100 MB of libraries that only the gate needs, not every chunk process
    import av.error  # noqa: PLC0415 - the same

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                msg = "the file has no picture"
                raise ValueError(msg)
            return _read(container, path)
    except av.error.FFmpegError as broken:
        msg = f"the file can't be read: {broken.strerror}"
        raise ValueError(msg) from broken


def _read(container: Any, path: Path) -> Probe:
    video = container.streams.video[0]
    sounds = container.streams.audio
    context = video.codec_context
    packets = [p for p in container.demux(video) if p.pts is not None]
    times = sorted(float(p.pts * p.time_base) * 1000 for p in packets)
    steps = [b - a for a, b in pairwise(times)]
    rate = float(video.average_rate or 0)
    step = 1000 / rate if rate else 0.0
    ratio = video.sample_aspect_ratio
    colours, ranges = _colours(container, video)
    sound = sounds[0] if sounds else None
    return Probe(
        video_streams=len(container.streams.video),
        audio_streams=len(sounds),
        other_streams=len(container.streams) - len(container.streams.video) - len(sounds),
        width=context.width,
        height=context.height,
        square_pixels=ratio is None or ratio in {0, 1},
        codec=context.name,
        profile=str(context.profile),
        pixels=str(context.pix_fmt),
        bt709=colours == {_COLOUR_BT709},
        limited_range=ranges == {_LIMITED},
        frames=len(times),
        fps=round(rate, 3),
        uneven_ms=max((abs(s - step) for s in steps), default=0.0),
        video_start_ms=times[0] if times else 0.0,
        video_ms=times[-1] - times[0] + step if times else 0.0,
        audio_codec=sound.codec_context.name if sound else "",
        audio_rate=sound.codec_context.sample_rate if sound else 0,
        audio_channels=sound.codec_context.channels if sound else 0,
        audio_start_ms=float((sound.start_time or 0) * sound.time_base) * 1000 if sound else 0.0,
        faststart=_index_first(path),
    )


def _colours(container: Any, video: Any) -> tuple[set[int], set[int]]:
    """Return every primaries, transfer and matrix named, and every range: by the container, then by the first frame."""
    context = video.codec_context
    colours = {int(c) for c in (context.color_primaries, context.color_trc, context.colorspace)}
    ranges = {int(context.color_range)}
    container.seek(0)
    for frame in container.decode(video):
        colours |= {int(c) for c in (frame.color_primaries, frame.color_trc, frame.colorspace)}
        ranges.add(int(frame.color_range))
        break
    return colours, ranges


def _index_first(path: Path) -> bool:
    """Return whether `moov` stands before `mdat` among the file's top-level boxes (ISO/IEC 14496-12, 4.2)."""
    with path.open("rb") as file:
        while header := file.read(_ATOM_HEADER):
            size, name = int.from_bytes(header[:4], "big"), header[4:]
            if name in {b"moov", b"mdat"}:
                return name == b"moov"
            taken = _ATOM_HEADER
            if size == _LONG_ATOM:
                size, taken = int.from_bytes(file.read(8), "big"), 2 * _ATOM_HEADER
            if size < taken:
                return False
            file.seek(size - taken, 1)
    return False
