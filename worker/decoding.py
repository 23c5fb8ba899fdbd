"""A program that reads one hostile file: `python -I -m worker.decoding IN OUT FFMPEG`, under limits of its own.

Whatever is kept of an upload is written here anew: a picture from its pixels, sound and video from their packets, with
no byte of the original's tags, chapters, attachments or trailing data. One line of JSON on standard output says what
it is, or `refused` and why. Only the standard library is imported before the limits hold.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, NoReturn

CPU_S = 60
MEMORY_BYTES = 2 << 30
OUT_BYTES = 256 << 20
PIXELS = 40_000_000
SIDE = 4096
FPS = 120
LONGEST_MS = 10 * 60 * 1000
HEARD_AND_SEEN, STREAMS = 4, 8
PACKETS = 1_000_000
ID3_BYTES = 4 << 20
SOUND_BYTES = 50 << 20

_SEEN = {"h264", "hevc", "av1", "vp9"}
_HEARD = {"aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"}
_DEMUXERS = {"mp4": "mov", "matroska": "matroska", "ogg": "ogg", "flac": "flac", "wav": "wav", "mp3": "mp3"}
# By what it is written as: ffmpeg's muxer, the ending, the type for video and for sound, and the codecs it may hold.
_CONTAINERS: dict[str, tuple[str, str, str, str, set[str]]] = {
    "mp4": ("mp4", "mp4", "video/mp4", "audio/mp4", _SEEN | _HEARD),
    "webm": ("webm", "webm", "video/webm", "audio/webm", {"vp8", "vp9", "av1", "opus", "vorbis"}),
    "ogg": ("ogg", "ogg", "", "audio/ogg", {"opus", "vorbis", "flac"}),
    "flac": ("flac", "flac", "", "audio/flac", {"flac"}),
    "wav": ("wav", "wav", "", "audio/wav", {"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_u8"}),
    "mp3": ("mp3", "mp3", "", "audio/mpeg", {"mp3"}),
}
_PICTURES = {"png", "jpeg", "webp", "gif"}
_UNREADABLE = "The file is damaged or is not what it seems: open it, save it anew and send that."
_STILL = "The picture moves: send a still one, or a video."


class Refused(Exception):  # noqa: N818 - one of the product's refusals, on its way to the parent
    """The file can't be taken; the sentence says why and what to do."""


def family(first: bytes) -> str | None:
    """Return what a file's first bytes say it is, None for what we don't take. 16 bytes are enough."""
    signs = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))
    signs += ((b"\x1a\x45\xdf\xa3", "matroska"), (b"OggS", "ogg"), (b"fLaC", "flac"), (b"ID3", "mp3"))
    for sign, name in signs:
        if first.startswith(sign):
            return name
    if first.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(first[8:12])
    if first[4:8] == b"ftyp":
        still = first[8:12] in {b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1"}
        return None if still else "mp4"
    # An MPEG audio frame without a tag: sync, a known version, layer III, a bit rate and a sampling rate (ISO 11172-3).
    mpeg = len(first) > 2 and first[0] == 0xFF and first[1] & 0xE6 == 0xE2 and first[1] & 0x18 != 0x08  # noqa: PLR2004 - its bits
    return "mp3" if mpeg and first[2] & 0xF0 not in {0x00, 0xF0} and first[2] & 0x0C != 0x0C else None  # noqa: PLR2004 - the same


def is_picture(found: str) -> bool:
    """Say whether a family is one of pictures."""
    return found in _PICTURES


def main() -> None:
    """Limit ourselves, judge the file, write its copy, say what it is."""
    source, out, ffmpeg = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    limits = ((resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_FSIZE, OUT_BYTES))
    for what, most in (*limits, (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64)):
        resource.setrlimit(what, (most, most))
    try:
        with source.open("rb") as file:
            found = family(file.read(16))
        if found is None:
            _fail()
        if found in _PICTURES:
            _say(_picture(source, out, found))
        else:
            told, command = _recording(source, out, found, ffmpeg)
            _say(told)
            os.execv(ffmpeg, command)  # noqa: S606 - our own arguments; the limits and the parent's grip go with it
    except Refused as refused:
        _say({"refused": str(refused)})
    except MemoryError:
        _say({"refused": "The file needs more memory to open than we give it: send a smaller one."})
    except Exception as broken:  # noqa: BLE001 - decoders raise anything; the parent only needs to know that one did
        sys.stderr.write(f"{type(broken).__name__}\n")
        _say({"refused": _UNREADABLE})


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _picture(source: Path, out: Path, found: str) -> dict[str, Any]:
    """Draw the picture anew, upright and in sRGB. Raises Refused."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - under the limits

    Image.MAX_IMAGE_PIXELS = None  # Pillow would refuse without saying the size
    with Image.open(source, formats=[found.upper()]) as image:
        if image.width * image.height > PIXELS or max(image.size) > 4 * SIDE:
            raise Refused(
                f"The picture is {image.width} × {image.height}: send one of at most {PIXELS // 10**6} million pixels,"
                f" and of at most {4 * SIDE:,} a side."
            )
        Image.MAX_IMAGE_PIXELS = PIXELS
        if getattr(image, "is_animated", False):
            raise Refused(_STILL)
        image.load()
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        clear = "A" in upright.getbands() or "transparency" in upright.info
        flat = upright.convert("RGBA" if clear else "RGB")
    if profile:
        flat = _in_srgb(flat, profile)
    flat.info.clear()
    lossy = found in {"jpeg", "webp"} and not clear
    if lossy:
        flat.save(out, "JPEG", quality=92, subsampling=0, optimize=True)
    else:
        flat.save(out, "PNG", compress_level=6)
    kind, ending = ("image/jpeg", "jpg") if lossy else ("image/png", "png")
    return {"kind": "picture", "media_type": kind, "extension": ending, "width": flat.width, "height": flat.height}


def _in_srgb(flat: Any, profile: bytes) -> Any:
    """Return the picture with its colours as sRGB; a profile that can't be read says nothing."""
    import io  # noqa: PLC0415 - under the limits

    from PIL import ImageCms  # noqa: PLC0415 - the same

    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(flat, given, ImageCms.createProfile("sRGB"), outputMode=flat.mode)
    except (ImageCms.PyCMSError, OSError):
        return flat


def _recording(source: Path, out: Path, found: str, ffmpeg: str) -> tuple[dict[str, Any], list[str]]:
    """Judge a recording by its streams, its every packet and some of its frames. Raises Refused."""
    if found == "mp3":
        _check_tag(source)
    import av  # noqa: PLC0415 - under the limits
    import av.logging  # noqa: PLC0415 - the same

    av.logging.set_level(None)
    demuxer = _DEMUXERS[found]
    # Read through our own file object: the library is given no way to open anything else.
    options = {"protocol_whitelist": "none", "format_whitelist": demuxer, "probesize": "5000000"}
    with source.open("rb") as file, av.open(file, "r", format=demuxer, container_options=options) as container:
        seen, heard = _chosen(container)
        claimed_ms = _claimed_ms(container)
        sizes = [_decoded(container, stream) for stream in (seen, heard) if stream is not None]
        container.seek(0)
        lasting_ms, pictures = _packets(container, seen, heard)
        if claimed_ms > lasting_ms * 1.1 + 1000:
            _fail()
        if seen is not None:
            _check_picture(seen, lasting_ms, pictures)
        target = _target(found, seen, heard)
        command = _copy(ffmpeg, demuxer, source, out, target, seen, heard)
    _muxer, ending, video_type, audio_type, _codecs = _CONTAINERS[target]
    if seen is None and ending == "mp4":
        ending = "m4a"
    told: dict[str, Any] = {"extension": ending, "duration_ms": round(lasting_ms)}
    if seen is not None:
        width, height = sizes[0]
        return told | {"kind": "video", "media_type": video_type, "width": width, "height": height}, command
    if source.stat().st_size > SOUND_BYTES:
        raise Refused("The recording is larger than 50 MiB: send it compressed, as MP3 or AAC.")
    return told | {"kind": "audio", "media_type": audio_type}, command


def _check_tag(source: Path) -> None:
    """Refuse an ID3v2 tag of many megabytes (its size is four times seven bits, ID3 2.4, section 3.1)."""
    with source.open("rb") as file:
        head = file.read(10)
    if head.startswith(b"ID3") and sum((byte & 0x7F) << 7 * at for at, byte in enumerate(head[9:5:-1])) > ID3_BYTES:
        raise Refused("The recording's tags are larger than 4 MiB: remove the cover picture and send it again.")


def _chosen(container: Any) -> tuple[Any, Any]:
    """Return the video and audio stream to keep, either of them perhaps None."""
    kinds = [stream.type for stream in container.streams]
    if "attachment" in kinds:
        raise Refused("The file carries attachments: send it without them.")
    seen = [s for s in container.streams.video if not int(s.disposition) & _ATTACHED_PICTURE]
    heard = list(container.streams.audio)
    if len(seen) + len(heard) > HEARD_AND_SEEN or len(kinds) > STREAMS:
        raise Refused("The file has too many tracks: send one with a single picture and a single sound track.")
    if not seen and not heard:
        _fail()
    return (seen[0] if seen else None), (heard[0] if heard else None)


_ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC: an album's cover, which is no video


def _claimed_ms(container: Any) -> float:
    claimed = (container.duration or 0) / 1000
    if claimed > LONGEST_MS:
        _too_long()
    return claimed


def _decoded(container: Any, stream: Any) -> tuple[int, int]:
    """Decode a little at the beginning and in the middle; return a picture's size as it is shown.

    Raises Refused where there is nothing to decode.
    """
    context, shown, frames = stream.codec_context, (0, 0), 0
    if context is None:
        _fail()
    if stream.type == "video":
        _check_size(context.width, context.height)
        context.options = {"max_pixels": str(SIDE * SIDE)}
    context.thread_count = 1
    for place in (0, (container.duration or 0) // 2):
        container.seek(place)
        for frame in container.decode(stream):
            frames += 1
            if stream.type == "video":
                _check_size(frame.width, frame.height)
                lying = round(frame.rotation / 90) % 2
                shown = (frame.height, frame.width) if lying else (frame.width, frame.height)
            if stream.type == "video" or frames % 20 == 0:  # about half a second of sound
                break
    if not frames:
        _fail()
    return shown


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= SIDE and 0 < height <= SIDE):
        raise Refused(f"The video is {width} × {height}: send one of at most {SIDE} pixels a side.")


def _packets(container: Any, seen: Any, heard: Any) -> tuple[float, int]:
    """Read every packet; return how long the longest stream lasts, in milliseconds, and how many pictures came."""
    spans: dict[int, tuple[float, float]] = {}
    pictures = 0
    for count, packet in enumerate(container.demux([s for s in (seen, heard) if s is not None])):
        if packet.is_corrupt or count > PACKETS:
            _fail()
        if not packet.size:
            continue
        pictures += seen is not None and packet.stream_index == seen.index
        when = packet.pts if packet.pts is not None else packet.dts
        if when is None:
            continue
        at = float(when * packet.time_base) * 1000
        end = at + float((packet.duration or 0) * packet.time_base) * 1000
        first, last = spans.get(packet.stream_index, (at, end))
        spans[packet.stream_index] = min(first, at), max(last, end)
        if spans[packet.stream_index][1] - spans[packet.stream_index][0] > LONGEST_MS:
            _too_long()
    lasting_ms = max((last - first for first, last in spans.values()), default=0.0)
    if lasting_ms <= 0:
        _fail()
    return lasting_ms, pictures


def _check_picture(seen: Any, lasting_ms: float, pictures: int) -> None:
    rate = max(float(seen.average_rate or 0), (pictures - 1) * 1000 / lasting_ms)
    if rate > FPS:
        raise Refused(f"The video has more than {FPS} pictures a second: send it with fewer.")
    if not pictures:
        _fail()


def _target(found: str, seen: Any, heard: Any) -> str:
    """Return what to write it as. Raises Refused where nothing we write can hold it."""
    codecs = {_codec(stream) for stream in (seen, heard) if stream is not None}
    choices = {"matroska": ("webm", "mp4"), "mp4": ("mp4",), "ogg": ("ogg",)}.get(found, (found,))
    for target in choices:
        if codecs <= _CONTAINERS[target][4] and (seen is None or _CONTAINERS[target][2]):
            return target
    raise Refused(f"We can't keep {', '.join(sorted(codecs))}: send H.264 with AAC as MP4, or sound as MP3.")


def _codec(stream: Any) -> str:
    name = str(stream.codec_context.codec.canonical_name)
    return name if name.isidentifier() else "this format"


def _copy(ffmpeg: str, demuxer: str, source: Path, out: Path, target: str, seen: Any, heard: Any) -> list[str]:
    """Return the command that writes the chosen packets into a container of our own, with nothing else beside them."""
    command = [ffmpeg, "-hide_banner", "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
    command += ["-format_whitelist", demuxer, "-f", demuxer, "-i", str(source)]
    for stream in (seen, heard):
        command += [] if stream is None else ["-map", f"0:{stream.index}"]
    command += ["-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"]
    if seen is not None and _codec(seen) == "hevc":
        command += ["-tag:v", "hvc1"]
    if target == "mp4":
        command += ["-movflags", "+faststart"]
    return [*command, "-f", _CONTAINERS[target][0], str(out)]


def _fail() -> NoReturn:
    raise Refused(_UNREADABLE)


def _too_long() -> NoReturn:
    raise Refused("The recording is longer than 10 minutes: send a shorter one.")


if __name__ == "__main__":
    main()
