"""The release gate: what was measured on a file, turned into named checks with a value and a limit each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from reelwright.rendering.captions import CUE_MS, Cue, coverage, groups, letters
from reelwright.rendering.graph import GROUP_FRAMES, Loudness
from reelwright.rendering.hearing import Heard
from reelwright.rendering.probe import Probe
from reelwright.rendering.safearea import LENGTHS_S, safe_area
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import FPS, SAMPLE_RATE, Timeline

LUFS, LUFS_OFF, PEAK_DBTP = -14.0, 1.0, -1.0
RANGE_LU = 11.0  # the range loudness normalisation aims at (EBU Tech 3341; ffmpeg's loudnorm)
DURATION_OFF = 0.10
BLACK_S, FROZEN_S = 0.3, 1.0
FRAME_MS = 1000 / FPS
FULL_FRAME = 0.97
LIKENESS, LAG_MS = 0.35, 40.0
WORDS_VOICED, CAPTION_SYNC_MS, LETTERS_DRAWN = 0.8, 100.0, 0.9
MEGABYTES = 300.0  # the least that the apps' upload interfaces take
READ_LINES, READ_CHARACTERS, READ_CPS = 2, 42, 20.0  # Netflix's timed text guide: lines, letters a line and a second
SIZES = ((1080, 1920), (1080, 1080), (1920, 1080))
_QUARTER = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking at every frame found: black and frozen spans in seconds, and the share of the frame in use.

    `decoded` is how many frames were shown, `damaged` how often the decoder had to guess or gave up. Of a frozen span
    only the start is kept: where it lasts to the end, no end of it is told.
    """

    black: tuple[tuple[float, float], ...]
    frozen: tuple[float, ...]
    used: tuple[float, float]
    decoded: int
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All measurements of one file. `audio_ms` is its decoded sound; `heard` by scene that speaks."""

    probe: Probe
    audio_ms: float
    loudness: Loudness
    seen: Seen
    heard: Mapping[int, Heard]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a file is held against. What nobody told is None, and the checks that need it are not judged.

    `cues` are the subtitles that came with it and `heard` how they lie on its sound.
    """

    sizes: tuple[tuple[int, int], ...] = SIZES
    frames: int | None = None
    target_s: float | None = None
    platform: str | None = None
    cues: tuple[Cue, ...] | None = None
    heard: Heard | None = None


class Check(msgspec.Struct, frozen=True):
    """One measure of a file. `passed` is None where it could not be judged: nobody told what was ordered."""

    name: str
    passed: bool | None
    value: object
    limit: object


class Report(msgspec.Struct, frozen=True):
    """All checks in their order; it passed when none failed."""

    passed: bool
    checks: tuple[Check, ...]


def seen(report: str, *, width: int, height: int) -> Seen:
    """Read what `graph.measure_picture` printed about a file of that size. No crop line: it is all black."""
    black = re.findall(r"black_start:\s*([\d.]+)\s+black_end:\s*([\d.]+)", report)
    frozen = re.findall(r"freeze_start:\s*([\d.]+)", report)
    crops = re.findall(r"crop=(-?\d+):(-?\d+):", report)
    decoded = re.findall(r"frame=\s*(\d+)", report)
    wide, high = (int(n) for n in crops[-1]) if crops else (0, 0)
    return Seen(
        black=tuple((float(a), float(b)) for a, b in black),
        frozen=tuple(float(t) for t in frozen),
        used=(max(0, wide) * _QUARTER / width, max(0, high) * _QUARTER / height),
        decoded=int(decoded[-1]) if decoded else 0,
        damaged=len(re.findall(r"concealing \d+ DC|Error submitting packet to decoder|Invalid NAL unit size", report)),
    )


def judge(timeline: Timeline, evidence: Evidence, style: Style = CLASSIC) -> Report:
    """Check a delivered file against its plan; it passes when every check does."""
    speech = (*_speech(timeline, evidence), *_captions(timeline, evidence, style))
    return _reported(ordered(timeline), evidence, speech, ())


def ordered(timeline: Timeline) -> Wanted:
    """Return what a plan asks of its file."""
    size, target_s = (timeline.width, timeline.height), timeline.target_frames / FPS
    return Wanted(sizes=(size,), frames=timeline.frames, target_s=target_s, platform=timeline.platform)


def judge_alone(wanted: Wanted, evidence: Evidence, timeline: Timeline | None = None) -> Report:
    """Check a file from anywhere against what is told about it; it passes when nothing that can be judged fails.

    Where captions stand in the picture only a plan can tell.
    """
    unheard = (Check("speech_in_each_scene", None, None, LIKENESS), Check("speech_sync_ms", None, None, LAG_MS))
    return _reported(wanted, evidence, (*unheard, *_subtitles(wanted, evidence, timeline)), (_reading(wanted.cues),))


def _reported(wanted: Wanted, evidence: Evidence, speech: tuple[Check, ...], beside: tuple[Check, ...]) -> Report:
    checks = (*_streams(wanted, evidence.probe), *_times(wanted, evidence), *_sound(evidence), *_picture(evidence))
    every = (*checks, *speech, *_delivery(wanted, evidence), *beside)
    return Report(all(c.passed is not False for c in every), every)


def _equal(name: str, value: object, limit: object) -> Check:
    return Check(name, value == limit, value, limit)


def _streams(wanted: Wanted, p: Probe) -> Iterator[Check]:
    yield _equal("streams", [p.video_streams, p.audio_streams, p.other_streams], [1, 1, 0])
    sizes = [list(size) for size in wanted.sizes]
    yield Check("size", [p.width, p.height] in sizes, [p.width, p.height], sizes[0] if len(sizes) == 1 else sizes)
    yield _equal("square_pixels", p.square_pixels, limit=True)
    yield _equal("video_codec", [p.codec, p.profile, p.pixels], ["h264", "High", "yuv420p"])
    yield _equal("colour", [p.bt709, p.limited_range], [True, True])
    yield _equal("audio_codec", [p.audio_codec, p.audio_rate, p.audio_channels], ["aac", SAMPLE_RATE, 2])
    yield _equal("faststart", p.faststart, limit=True)


def _times(wanted: Wanted, evidence: Evidence) -> Iterator[Check]:
    p = evidence.probe
    yield _equal("frame_rate", p.fps, float(FPS))
    yield Check("constant_frame_rate", p.uneven_ms <= 1.0, round(p.uneven_ms, 2), 1.0)
    yield Check("frames", None if wanted.frames is None else p.frames == wanted.frames, p.frames, wanted.frames)
    seconds = round(p.video_ms / 1000, 3)
    if wanted.target_s is None:
        yield Check("duration_s", None, seconds, None)
    else:
        low, high = (round(wanted.target_s * share, 3) for share in (1 - DURATION_OFF, 1 + DURATION_OFF))
        yield Check("duration_s", low <= seconds <= high, seconds, [low, high])
    apart = abs(p.video_ms - evidence.audio_ms)
    yield Check("audio_video_length_ms", apart <= FRAME_MS, round(apart, 1), round(FRAME_MS, 1))
    late = abs(p.video_start_ms - p.audio_start_ms)
    yield Check("audio_video_start_ms", late <= FRAME_MS, round(late, 1), round(FRAME_MS, 1))


def _sound(evidence: Evidence) -> Iterator[Check]:
    loud = evidence.loudness
    yield Check("loudness_lufs", abs(loud.lufs - LUFS) <= LUFS_OFF, loud.lufs, [LUFS - LUFS_OFF, LUFS + LUFS_OFF])
    yield Check("true_peak_dbtp", loud.peak_dbtp <= PEAK_DBTP, loud.peak_dbtp, PEAK_DBTP)


def _picture(evidence: Evidence) -> Iterator[Check]:
    found = evidence.seen
    longest = max((b - a for a, b in found.black), default=0.0)
    yield Check("black_s", longest < BLACK_S, round(longest, 3), BLACK_S)
    yield Check("frozen", not found.frozen, list(found.frozen), f"no picture still for {FROZEN_S} s")
    used = [round(share, 3) for share in found.used]
    yield Check("full_frame", min(found.used) >= FULL_FRAME, used, FULL_FRAME)


def _speech(timeline: Timeline, evidence: Evidence) -> Iterator[Check]:
    speaking = [s.scene for s in timeline.shots if s.speech_ms is not None]
    likeness = {str(scene): evidence.heard[scene].likeness if scene in evidence.heard else 0.0 for scene in speaking}
    lags = {str(scene): heard.lag_ms for scene, heard in _found(evidence).items()}
    yield Check("speech_in_each_scene", all(v >= LIKENESS for v in likeness.values()), likeness, LIKENESS)
    yield Check("speech_sync_ms", all(abs(v) <= LAG_MS for v in lags.values()), lags, LAG_MS)


def _found(evidence: Evidence) -> dict[int, Heard]:
    """Return what was heard of the narrations that are there: how late a missing one is means nothing."""
    return {scene: heard for scene, heard in evidence.heard.items() if heard.likeness >= LIKENESS}


def _captions(timeline: Timeline, evidence: Evidence, style: Style) -> Iterator[Check]:
    shown = groups(timeline, style)
    yield _boxes(timeline, style)
    overlaps = sum(a.end > b.turns[0] for a, b in pairwise(shown))
    late = sum(group.end > timeline.frames for group in shown)
    yield _equal("caption_overlaps", overlaps + late, 0)
    voiced = min((h.words_voiced for h in evidence.heard.values()), default=1.0)
    yield Check("words_on_speech", voiced >= WORDS_VOICED, voiced, WORDS_VOICED)
    worst = max((abs(h.lag_ms) for h in _found(evidence).values()), default=0.0) + FRAME_MS / 2
    yield Check("caption_sync_ms", worst <= CAPTION_SYNC_MS, round(worst, 1), CAPTION_SYNC_MS)
    drawn = round(coverage(timeline), 3)
    yield Check("caption_letters", drawn >= LETTERS_DRAWN, drawn, LETTERS_DRAWN)


def _subtitles(wanted: Wanted, evidence: Evidence, timeline: Timeline | None) -> Iterator[Check]:
    yield Check("caption_boxes", None, None, None) if timeline is None else _boxes(timeline)
    if wanted.cues is None:
        yield Check("caption_overlaps", None, None, 0)
    else:
        overlaps = sum(a.end_ms > b.start_ms for a, b in pairwise(wanted.cues))
        late = sum(cue.end_ms > evidence.probe.video_ms + FRAME_MS for cue in wanted.cues)
        yield _equal("caption_overlaps", overlaps + late, 0)
    heard = wanted.heard
    if heard is None:
        yield Check("words_on_speech", None, None, WORDS_VOICED)
        yield Check("caption_sync_ms", None, None, CAPTION_SYNC_MS)
    else:
        yield Check("words_on_speech", heard.words_voiced >= WORDS_VOICED, heard.words_voiced, WORDS_VOICED)
        yield Check("caption_sync_ms", abs(heard.lag_ms) <= CAPTION_SYNC_MS, heard.lag_ms, CAPTION_SYNC_MS)
    drawn = None if wanted.cues is None else round(letters([w for c in wanted.cues for w in c.words]), 3)
    yield Check("caption_letters", None if drawn is None else drawn >= LETTERS_DRAWN, drawn, LETTERS_DRAWN)


def _delivery(wanted: Wanted, evidence: Evidence) -> Iterator[Check]:
    p, loud = evidence.probe, evidence.loudness
    yield Check("loudness_range_lu", loud.range_lu <= RANGE_LU, loud.range_lu, RANGE_LU)
    yield _equal("progressive", p.progressive, limit=True)
    longest, most = round(p.longest_group_ms / 1000, 3), GROUP_FRAMES / FPS
    yield Check("key_frames_s", longest <= most + FRAME_MS / 1000, longest, most)
    megabytes = round(p.size_bytes / 1e6, 2)
    yield Check("size_mb", megabytes <= MEGABYTES, megabytes, MEGABYTES)
    seconds, allowed = round(p.video_ms / 1000, 3), LENGTHS_S.get(wanted.platform or "")
    fits = None if allowed is None else allowed[0] <= seconds <= allowed[1]
    yield Check("platform_length_s", fits, seconds, None if allowed is None else list(allowed))
    yield _equal("decodes", [evidence.seen.decoded, evidence.seen.damaged], [p.frames, 0])


def _reading(cues: tuple[Cue, ...] | None) -> Check:
    """Judge whether the subtitles can be read: by the worst of their lines, letters a line, letters a second."""
    limit = [READ_LINES, READ_CHARACTERS, READ_CPS, CUE_MS / 1000 + 1]
    if not cues:
        return Check("caption_reading", None, None, limit)
    lines, longest = max(len(c.lines) for c in cues), max(len(line) for c in cues for line in c.lines)
    speed = max(sum(map(len, c.lines)) * 1000 / max(1, c.end_ms - c.start_ms) for c in cues)
    stays = max(c.end_ms - c.start_ms for c in cues) / 1000
    worst = [lines, longest, round(speed, 1), round(stays, 2)]
    return Check("caption_reading", all(a <= b for a, b in zip(worst, limit, strict=True)), worst, limit)


def _boxes(timeline: Timeline, style: Style = CLASSIC) -> Check:
    shown = groups(timeline, style)
    area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
    outside = [i for i, group in enumerate(shown) if not area.holds(group.block.ink)]
    box = [area.left, area.top, area.right, area.bottom]
    return Check("caption_boxes", not outside, {"groups": len(shown), "outside": outside}, box)
