"""What a finished file is made of, read from itself: streams, tags, the time of every frame, the order of its parts."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

_COLOUR_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix 1 are BT.709
_LIMITED = 1  # FFmpeg's AVCOL_RANGE_MPEG
_IDR = 5  # ITU-T H.264, table 7-1: a coded slice of a picture before which nothing is remembered
_ATOM_HEADER = 8
_LONG_ATOM = 1
_SLICES = {1, 5}
PRINT_BYTES = 8
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""Whose `uuid` box holds an XMP packet (Adobe, XMP Specification Part 3, 1.2.7.1)."""
_SOURCE_TYPE = re.compile(r"http://cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)")
_LONGEST_XMP = 1 << 20
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv"  # files that hold themselves: no playlist, no URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A file's make. Times are milliseconds; width and height are as shown, so after any rotation.

    `uneven_ms` is how far the worst frame stands from its step, `longest_group_ms` the most between two key frames.
    A cover picture counts as one of `other_streams`. `audio_kbit_s` is that of the densest second: silence takes hardly
    any. `open_groups` are key frames at which decoding can't begin.
    `pictures` are 8 bytes for each coded picture, in their order, alike where its bits are; `packets` is the SHA-256
    of all sound and picture. `source_type` is the term of IPTC's vocabulary that says how it was made, if it is told.
    """

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
    audio_profile: str = ""
    audio_kbit_s: float = 0.0
    audio_start_ms: float = 0.0
    faststart: bool = False
    progressive: bool = True
    longest_group_ms: float = 0.0
    size_bytes: int = 0
    edit_lists: int = 0
    open_groups: int = 0
    pictures: bytes = b""
    packets: str = ""
    source_type: str = ""

    @property
    def megabits_a_second(self) -> float:
        """The whole file's bit rate."""
        return self.size_bytes * 8 / 1000 / self.video_ms if self.video_ms else 0.0


def probe(path: Path) -> Probe:
    """Read a file's streams and the times of all its frames; only the first is decoded.

    Colours count where the container and the picture's own bitstream agree on them. Raises ValueError on a broken file.
    """
    import av  # noqa: PLC0415 - 100 MB of libraries that only the gate needs, not every chunk process
    import av.error  # noqa: PLC0415 - the same
    from av.stream import Disposition  # noqa: PLC0415 - the same

    try:
        with av.open(str(path), options={"format_whitelist": FORMATS, "protocol_whitelist": "file"}) as container:
            moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not moving:
                msg = "the file has no picture"
                raise ValueError(msg)
            return _read(container, moving, path)
    except av.error.FFmpegError as broken:
        msg = f"the file can't be read: {broken.strerror}"
        raise ValueError(msg) from broken


def _read(container: Any, moving: Sequence[Any], path: Path) -> Probe:
    video, sounds = moving[0], container.streams.audio
    read = _packets(container, video, sounds)
    times, keys = read.times, read.keys
    steps = [b - a for a, b in pairwise(times)]
    rate = float(video.average_rate or 0)
    step = 1000 / rate if rate else 0.0
    first = _first(container, video)
    if first is None:
        msg = "no frame of the file can be decoded"
        raise ValueError(msg)
    context, ratio = video.codec_context, video.sample_aspect_ratio
    upright = (context.width, context.height) if first.rotation % 180 == 0 else (context.height, context.width)
    colours, ranges = _colours(context, first)
    sound = sounds[0] if sounds else None
    return Probe(
        video_streams=len(moving),
        audio_streams=len(sounds),
        other_streams=len(container.streams) - len(moving) - len(sounds),
        width=upright[0],
        height=upright[1],
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
        audio_profile=str(sound.codec_context.profile or "") if sound else "",
        audio_kbit_s=read.densest_bytes * 8 / 1000,
        audio_start_ms=float((sound.start_time or 0) * sound.time_base) * 1000 if sound else 0.0,
        faststart=_index_first(path),
        progressive=not first.interlaced_frame,
        longest_group_ms=max((b - a for a, b in pairwise([*keys, times[-1] + step])), default=0.0) if times else 0.0,
        size_bytes=path.stat().st_size,
        edit_lists=_edit_lists(path),
        open_groups=read.open_groups,
        pictures=read.pictures,
        packets=read.packets,
        source_type=_source_type(container.metadata, path),
    )


@dataclass(frozen=True, slots=True)
class _Packets:
    """When each frame is shown, and each key frame, in milliseconds, in order; open groups; and two digests.

    `densest_bytes` is what the sound has in the second that has most.
    """

    times: list[float]
    keys: list[float]
    open_groups: int
    pictures: bytes
    packets: str
    densest_bytes: int


def _packets(container: Any, video: Any, sounds: Sequence[Any]) -> _Packets:
    """Read all packets of the picture and the first sound, and hold none."""
    known = video.codec_context.name == "h264" and (video.codec_context.extradata or b"\0")[:1] == b"\1"
    times, keys, shut = list[float](), list[float](), 0
    pictures, every, heard = bytearray(), sha256(), Counter[int]()
    for packet in container.demux(video, *sounds[:1]):
        data = bytes(packet)
        every.update(data)
        if packet.pts is not None and packet.stream is not video:
            heard[int(packet.pts * packet.time_base)] += len(data)
        if packet.stream is not video or packet.pts is None:
            continue
        times.append(float(packet.pts * packet.time_base) * 1000)
        units = list(_units(data)) if known else [(_IDR, 0, len(data))]
        coded = blake2b(digest_size=PRINT_BYTES)
        for kind, start, end in units:
            if kind in _SLICES:
                coded.update(data[start:end])
        pictures += coded.digest()
        if packet.is_keyframe:
            keys.append(times[-1])
            shut += any(kind == _IDR for kind, *_ in units)
    return _Packets(
        sorted(times),
        sorted(keys),
        len(keys) - shut if known else 0,
        bytes(pictures),
        every.hexdigest(),
        max(heard.values(), default=0),
    )


def _units(packet: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, start and end of a coded picture's NAL units, each with its length before it (ISO/IEC 14496-15)."""
    at = 0
    while at + 4 < len(packet):
        end = at + 4 + int.from_bytes(packet[at : at + 4], "big")
        yield packet[at + 4] & 31, at + 4, end
        at = end


def _first(container: Any, video: Any) -> Any:
    container.seek(0)
    return next(iter(container.decode(video)), None)


def _colours(context: Any, first: Any) -> tuple[set[int], set[int]]:
    """Return every primaries, transfer and matrix named, and every range: by the container, then by the first frame."""
    named = [(s.color_primaries, s.color_trc, s.colorspace) for s in (context, first)]
    return {int(c) for each in named for c in each}, {int(context.color_range), int(first.color_range)}


def _index_first(path: Path) -> bool:
    """Return whether `moov` stands before `mdat` among the file's top-level boxes (ISO/IEC 14496-12, 4.2)."""
    return next((box.name == b"moov" for box in _boxes(path) if box.name in {b"moov", b"mdat"}), False)


class _Box(NamedTuple):
    name: bytes
    start: int
    end: int


def _boxes(path: Path, inside: _Box | None = None) -> Iterator[_Box]:
    """Yield the boxes of a file, or those in one of them; none behind the first that can't be read."""
    with path.open("rb") as file:
        at, end = (inside.start, inside.end) if inside else (0, path.stat().st_size)
        while at + _ATOM_HEADER <= end:
            file.seek(at)
            header = file.read(2 * _ATOM_HEADER)
            size, taken = int.from_bytes(header[:4], "big"), _ATOM_HEADER
            if size == _LONG_ATOM:
                size, taken = int.from_bytes(header[8:16], "big"), 2 * _ATOM_HEADER
            size = size or end - at  # 0: as far as the file goes
            if size < taken:
                return
            yield _Box(header[4:8], at + taken, min(end, at + size))
            at += size


def _edit_lists(path: Path) -> int:
    """Return how many tracks of an MP4 need an edit list to be shown on time (ISO/IEC 14496-12, 8.6.6)."""
    tracks = (track for movie in _boxes(path) if movie.name == b"moov" for track in _boxes(path, movie))
    return sum(part.name == b"edts" for track in tracks if track.name == b"trak" for part in _boxes(path, track))


def _source_type(metadata: Mapping[str, str], path: Path) -> str:
    """Return how a file says that it was made, by its XMP packet or, where there is none, by any of its tags."""
    said = " ".join((*_xmp(path), *metadata.values()))
    found = _SOURCE_TYPE.search(said)
    return found[1] if found else ""


def _xmp(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for box in _boxes(path):
            if box.name == b"uuid" and box.end - box.start < _LONGEST_XMP:
                file.seek(box.start)
                held = file.read(box.end - box.start)
                if held.startswith(_XMP):
                    yield held[len(_XMP) :].decode("utf-8", errors="replace")
