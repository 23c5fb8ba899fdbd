"""The command lines of every media process, as ffmpeg-python graphs compiled to argument lists; nothing is started."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from reelwright.rendering import edges
from reelwright.rendering.disclosure import COMMENT
from reelwright.rendering.probe import FORMATS
from reelwright.rendering.safearea import Area
from reelwright.rendering.timeline import FPS, SAMPLE_RATE

TARGET_LUFS = -14.0
PEAK_LIMIT = 0.79  # -2 dBFS: what lies between the samples, and AAC, add up to 1 dB
VOICE_LUFS = -18.0
MUSIC_LUFS = -25.0
AUDIO_BITRATE = "192k"
GROUP_FRAMES = 60
PROFILES: dict[str, dict[str, str | int]] = {
    "normal": {"preset": "veryfast", "crf": 23, "x264-params": "subme=1:partitions=i8x8,i4x4"},
    "fast": {"preset": "ultrafast", "qp": 26, "x264-params": "8x8dct=1"},
    "preview": {"preset": "ultrafast", "crf": 26, "x264-params": "cabac=1:8x8dct=1"},
}
"""Measured on our own frames, in turns, each against its source: CPU a frame, file size, VMAF.

veryfast as it comes: 1, 1, 94.1. normal: 0.69, 1.07, 94.4: stills that glide as a whole need no quarter-pixel search in
split blocks. ultrafast as it comes: 0.37, 4.9, 96.7. fast: 0.27, 2.0, 94.4: one quantiser for all frames needs no look
at them beforehand; chosen by frame, crf 30, 0.31, 2.2, 94.9. With arithmetic coding (cabac=1) and crf 30 0.33, 1.8;
with that and a look ahead at crf 26 0.36, 1.6, 94.4. 8x8dct changes hardly a bit, but keeps it in the High profile.
"""
_TAGS = {"color_range": "tv", "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}
_H264: dict[str, str | int] = {
    "c:v": "libx264",
    "profile:v": "high",
    "pix_fmt": "yuv420p",
    "threads": 1,
    "g": GROUP_FRAMES,
    "flags": "+cgop",
    "fps_mode": "cfr",
    "r": FPS,
    "video_track_timescale": FPS * 512,
    "format": "mp4",
}
_AAC: dict[str, str | int] = {
    "c:a": "aac",
    "profile:a": "aac_low",
    "aac_coder": "fast",  # at this rate 0.4 of the default's CPU, and nearer to what was mixed: 38.4 dB to 35.9
    "b:a": AUDIO_BITRATE,
    "ar": SAMPLE_RATE,
    "ac": 2,
}
_JOINED: dict[str, str | int] = {
    "c:v": "copy",
    "movflags": "+faststart+negative_cts_offsets",  # pictures are shown from 0 on, so that no edit list needs to say so
    "use_editlist": 0,
    "map_metadata": -1,
    "metadata": f"comment={COMMENT}",
    "format": "mp4",
}
PRIMING = 1024
"""Samples that an AAC encoder puts before the sound (ffmpeg's: one frame), which without an edit list are heard."""
_MP4_FAMILY = "mov,mp4,m4a,3gp,3g2,mj2"
STILL_S = 0.4  # the shortest rest that is told: our slowest move, a light card's, rests 0.3 s at most
TILES, LEVELS = "tile_%04d.png", "levels.txt"
_SILENT_LUFS = -60.0
_MOST_GAIN_DB = 30.0


@dataclass(frozen=True, slots=True)
class Loudness:
    """Integrated loudness in LUFS, loudness range in LU, true peak in dBTP (EBU R 128, ITU-R BS.1770-4)."""

    lufs: float
    range_lu: float
    peak_dbtp: float

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear."""
        return self.lufs < _SILENT_LUFS


_NO_SOUND_DB = -200.0
SILENCE = Loudness(-70.0, 0.0, _NO_SOUND_DB)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A narration file, named only once in a mix, and the sample, at 48 kHz, at which it begins."""

    path: Path
    at_sample: int


def compiled(stream: Any, program: str, *, verbosity: str = "error", strict: bool = True) -> list[str]:
    """Return a graph's argument list: quiet, without a keyboard, and, where `strict`, ended by the first error."""
    _, *rest = stream.compile(cmd=program, overwrite_output=True)
    ended = ["-xerror"] if strict else []
    return [program, "-hide_banner", "-nostdin", "-nostats", *ended, "-loglevel", verbosity, *map(str, rest)]


def _file(path: Path, formats: str, **options: Any) -> Any:
    return ffmpeg.input(str(path), protocol_whitelist="file,pipe", format_whitelist=formats, **options)


def sound_file(path: Path, formats: str, **options: Any) -> Any:
    """Return a file's sound as a graph's input: a local file in one of these formats, and nothing else."""
    return _file(path, formats, **options).audio


def encode(
    program: str, out: Path, *, width: int, height: int, profile: str = "normal", compared: bool = False
) -> list[str]:
    """Encode raw YUV 4:2:0 frames from standard input to one closed-GOP H.264 chunk, on one thread.

    What it did lands on standard error, for `encoded`. Where it is `compared` with its input, that costs 5 to 10 % more
    CPU, and no bit is another one for it.
    """
    frames = ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pix_fmt="yuv420p",
        s=f"{width}x{height}",
        framerate=FPS,
        protocol_whitelist="pipe",
        **_TAGS,
    )
    liking = f"{PROFILES[profile]['x264-params']}:ssim=1"
    stream = ffmpeg.output(
        frames,
        str(out),
        **(_H264 | _TAGS | PROFILES[profile] | ({"x264-params": liking} if compared else {})),
    )
    return compiled(stream, program, verbosity="info")


@dataclass(frozen=True, slots=True)
class Encode:
    """What x264 said of one chunk: its frames, their mean quantiser, and, where it was compared, its likeness.

    Likeness is the SSIM of its luma to its input, 0..1.
    """

    frames: int
    ssim: float | None
    quantiser: float


def encoded(report: str) -> Encode:
    """Read what x264 prints last. Raises ValueError."""
    kinds = [(int(n), float(qp)) for n, qp in re.findall(r"frame [IPB]:\s*(\d+)\s+Avg QP:\s*([\d.]+)", report)]
    like = re.search(r"SSIM Mean Y:([\d.]+)", report)
    if not kinds:
        msg = "the encoder printed no summary"
        raise ValueError(msg)
    frames = sum(n for n, _ in kinds)
    return Encode(frames, float(like[1]) if like else None, round(sum(n * qp for n, qp in kinds) / frames, 2))


def measure_loudness(program: str, source: Path, *, by_time: bool = False) -> list[str]:
    """Measure a file's sound; the summary lands on standard error, for `loudness`.

    `by_time` leaves LEVELS, its loudness every 100 ms, in the folder in which it runs.
    """
    heard = _file(source, f"wav,flac,{_MP4_FAMILY}").audio
    sound = _metered(heard) if by_time else heard.filter("ebur128", peak="true", framelog="quiet")
    return compiled(ffmpeg.output(sound, "-", format="null"), program, verbosity="info")


def _metered(sound: Any) -> Any:
    measured = sound.filter("ebur128", peak="true", framelog="quiet", metadata=1)
    return measured.filter("ametadata", "print", key="lavfi.r128.M", file=LEVELS)


def measure_voices(program: str, voices: Sequence[Path]) -> list[str]:
    """Measure all narrations, one after the other, treated as the mix will treat them."""
    stream = ffmpeg.concat(*(_voice(voice) for voice in voices), v=0, a=1).filter("ebur128", framelog="quiet")
    return compiled(ffmpeg.output(stream, "-", format="null"), program, verbosity="info")


def loudness(report: str) -> Loudness:
    """Read the summary that `ebur128` prints last. A missing true peak reads as silence, as no number does.

    Raises ValueError.
    """
    summary = report[report.rfind("Summary:") :]

    def number(label: str) -> float | None:
        found = re.search(rf"{label}:\s+(-?inf|nan|-?[\d.]+)", summary)
        value = None if found is None else float(found.group(1))
        return value if value is None or math.isfinite(value) else _NO_SOUND_DB

    lufs, spread, peak = number("I"), number("LRA"), number("Peak")
    if "Summary:" not in report or lufs is None:
        msg = "the measuring run printed no loudness summary"
        raise ValueError(msg)
    return Loudness(lufs, max(0.0, spread or 0.0), _NO_SOUND_DB if peak is None else peak)


def gain_db(measured: Loudness | None, target_lufs: float) -> float:
    """Return the gain that brings what was measured to the target, within ±30 dB; none for silence."""
    if measured is None or measured.silent:
        return 0.0
    return max(-_MOST_GAIN_DB, min(_MOST_GAIN_DB, target_lufs - measured.lufs))


def _voice(path: Path) -> Any:
    even = _file(path, "wav").audio.filter("aresample", SAMPLE_RATE).filter("aformat", channel_layouts="mono")
    cleared = even.filter("highpass", f=70)
    return cleared.filter("acompressor", threshold="-24dB", ratio=2.5, attack=8, release=120, makeup=4)


def mix(
    program: str,
    out: Path,
    *,
    voices: Sequence[Spoken],
    music: Path | None,
    samples: int,
    voice_gain_db: float,
    music_gain_db: float,
) -> list[str]:
    """Place narrations on their samples and duck the music under them, into a float WAV of exactly `samples`.

    The voice that drives the compressor has a known loudness, so that it takes 12 to 20 dB off the music while
    someone speaks. Attack and release are milliseconds. Music fades in over 0.4 s and out to the reel's true end.
    How loud it came out lands on standard error, for `loudness`.
    """
    parts: list[Any] = []
    spoken = _placed(voices, voice_gain_db, samples) if voices else None
    if spoken is not None and music is not None:
        forked = spoken.filter_multi_output("asplit", 2)
        parts += [_stereo(forked[0]), _bed(music, forked[1], music_gain_db, samples)]
    elif spoken is not None:
        parts.append(_stereo(spoken))
    elif music is not None:
        parts.append(_bed(music, None, music_gain_db, samples))
    else:
        parts.append(ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", format="lavfi").audio)
    joined = ffmpeg.filter(parts, "amix", inputs=len(parts), normalize=0) if len(parts) > 1 else parts[0]
    exact = joined.filter("apad", whole_len=samples).filter("atrim", end_sample=samples)
    return _told(program, exact, out, **{"c:a": "pcm_f32le", "ar": SAMPLE_RATE, "format": "wav"})


def _told(program: str, sound: Any, out: Path, **options: Any) -> list[str]:
    """Write a sound, and measure it in the same run."""
    forked = sound.filter_multi_output("asplit", 2)
    heard = forked[1].filter("ebur128", peak="true", framelog="quiet")
    both = ffmpeg.merge_outputs(ffmpeg.output(forked[0], str(out), **options), ffmpeg.output(heard, "-", format="null"))
    return compiled(both, program, verbosity="info")


def _stereo(sound: Any) -> Any:
    return sound.filter("aformat", channel_layouts="stereo")


def _placed(voices: Sequence[Spoken], gain: float, samples: int) -> Any:
    placed = [_voice(v.path).filter("adelay", delays=f"{v.at_sample}S", all=1) for v in voices]
    together = ffmpeg.filter(placed, "amix", inputs=len(placed), normalize=0) if len(placed) > 1 else placed[0]
    return together.filter("volume", f"{gain:.2f}dB").filter("apad", whole_len=samples)


def _bed(music: Path, driver: Any, gain: float, samples: int) -> Any:
    bed = _file(music, "wav").audio.filter("aresample", SAMPLE_RATE)
    bed = _stereo(bed).filter("volume", f"{gain:.2f}dB").filter("apad", whole_len=samples)
    if driver is not None:
        bed = ffmpeg.filter([bed, driver], "sidechaincompress", threshold=0.02, ratio=8, attack=15, release=350)
    seconds, fade = samples / SAMPLE_RATE, min(2.0, samples / SAMPLE_RATE / 4)
    bed = bed.filter("atrim", end_sample=samples).filter("afade", t="in", d=0.4)
    return bed.filter("afade", t="out", st=seconds - fade, d=fade)


def master(program: str, source: Path, out: Path, *, gain: float, samples: int) -> list[str]:
    """Bring a float mix to its loudness: one static gain in dB, then a limiter. Dynamics stay as mixed.

    How loud it came out lands on standard error, for `loudness`.
    """
    sound = _mastered(_file(source, "wav").audio, gain, samples)
    return _told(program, sound, out, **{"c:a": "flac", "sample_fmt": "s16", "format": "flac"})


def _mastered(sound: Any, gain: float, samples: int) -> Any:
    louder = sound.filter("volume", f"{gain:.2f}dB")
    held = louder.filter("alimiter", limit=PEAK_LIMIT, attack=3, release=60, level=0, latency=1)
    return held.filter("aresample", SAMPLE_RATE).filter("apad", whole_len=samples).filter("atrim", end_sample=samples)


def join(program: str, listing: Path, sound: Path, out: Path, *, samples: int, gain: float = 0.0) -> list[str]:
    """Join chunks without encoding them again, add the sound as AAC, and put the index first.

    `listing` names the chunks for the concat demuxer. A `gain` in dB corrects the delivered loudness. The encoder's
    silent first frame stands in for the sound's first 21 ms, so that all else is heard on time without an edit list.
    """
    picture = _file(listing, f"concat,{_MP4_FAMILY}", format="concat", safe=1).video
    heard = _file(sound, "flac").audio
    if gain:
        heard = _mastered(heard, gain, samples)
    heard = heard.filter("atrim", start_sample=PRIMING).filter("asetpts", "PTS-STARTPTS")
    stream = ffmpeg.output(
        picture,
        heard,
        str(out),
        **(_JOINED | _AAC),
        video_track_timescale=FPS * 512,
    )
    return compiled(stream, program)


def listing(names: Sequence[str]) -> str:
    """Return the concat demuxer's list. Raises ValueError on a name that isn't one of our own plain ones."""
    for name in names:
        if not re.fullmatch(r"[a-z0-9_]+\.mp4", name):
            msg = f"not a generated file name: {name!r}"
            raise ValueError(msg)
    return "ffconcat version 1.0\n" + "".join(f"file {name}\n" for name in names)


def thumbnail(program: str, video: Path, out: Path, *, at_ms: int) -> list[str]:
    """Take one frame as a full-range JPEG."""
    picture = _file(video, _MP4_FAMILY, ss=f"{at_ms / 1000:.3f}").video
    toned = picture.filter("scale", out_range="full", out_color_matrix="bt601").filter("format", "yuvj420p")
    stream = ffmpeg.output(toned, str(out), **{"frames:v": 1, "q:v": 3, "update": 1, "format": "image2"})
    return compiled(stream, program)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a file is looked at: about how many frames it has, and a small picture of what size every so many seconds.

    What is `covered` by captions counts neither as black nor as moving: each word that lights up would move a picture
    that stands still.
    """

    frames: int
    tile: tuple[int, int]
    every_s: float
    covered: Area | None = None


def measure_picture(program: str, video: Path, look: Look) -> list[str]:
    """Look at every frame, at a quarter of its size, for black, frozen and letterboxed ones; `gate.seen` reads it.

    The edges are measured on 150 frames at most, each for itself, two lines of report each. In the folder in which it
    runs it leaves TILES.
    """
    picture = _file(video, _MP4_FAMILY, skip_loop_filter="all").video  # a fifth cheaper, and no eye looks at it whole
    return compiled(ffmpeg.merge_outputs(*_seen(picture, look)), program, verbosity="info")


def _seen(picture: Any, look: Look) -> tuple[Any, ...]:
    whole = picture.filter_multi_output("split", 2)
    small = whole[0].filter("scale", "iw/4", "ih/4", flags="neighbor").filter_multi_output("split", 2)
    since = f"isnan(prev_selected_t)+gte(t-prev_selected_t,{look.every_s})"
    tiles = whole[1].filter("select", since).filter("scale", *look.tile).filter("setsar", 1)
    shown = ffmpeg.output(tiles, TILES, format="image2", fps_mode="passthrough")
    return (*_looked_at(small[0], small[1], look), shown)


def examine(program: str, video: Path, look: Look, *, heard: bool) -> list[str]:
    """Measure a file from anywhere in one pass: as `measure_picture`, and its loudness where it is `heard`.

    A damaged frame is told and doesn't end it. Progress lands on standard output as `out_time_us=`. In the folder in
    which it runs it leaves TILES, a small picture every so many seconds, and LEVELS, its loudness every 100 ms.
    """
    source = _file(video, FORMATS)
    outputs = [*_seen(source.video, look)]
    if heard:
        outputs.append(ffmpeg.output(_metered(source.audio), "-", format="null"))
    stream = ffmpeg.merge_outputs(*outputs).global_args("-progress", "pipe:1")
    return compiled(stream, program, verbosity="info", strict=False)


def levels(report: str) -> tuple[float, ...]:
    """Read the momentary loudness that `examine` left, in LUFS, one value for every 100 ms."""
    return tuple(float(value) for value in re.findall(r"lavfi\.r128\.M=(-?[\d.]+)", report))


def _looked_at(still: Any, framed: Any, look: Look) -> tuple[Any, Any]:
    if (box := look.covered) is not None:
        left, top, right, bottom = box.left // 4, box.top // 4, -(-box.right // 4), -(-box.bottom // 4)
        still = still.filter("drawbox", left, top, right - left, bottom - top, color="black", thickness="fill")
    still = still.filter("blackdetect", d=0.03, pic_th=0.98, pix_th=0.08).filter("freezedetect", n="-66dB", d=STILL_S)
    framed = framed.filter("select", f"not(mod(n,{max(10, look.frames // 150)}))")
    for limit in (edges.BLACK, edges.DIM):
        framed = framed.filter("cropdetect", limit=limit, round=2, skip=0, reset=1)
    return tuple(ffmpeg.output(part, "-", format="null", fps_mode="passthrough") for part in (still, framed))
