"""The release gate: what was measured on the delivered file, turned into named checks with a value and a limit each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from reelwright.rendering.captions import coverage, groups
from reelwright.rendering.graph import Loudness
from reelwright.rendering.hearing import Heard
from reelwright.rendering.probe import Probe
from reelwright.rendering.safearea import safe_area
from reelwright.rendering.timeline import FPS, SAMPLE_RATE, Timeline

LUFS, LUFS_OFF, PEAK_DBTP = -14.0, 1.0, -1.0
DURATION_OFF = 0.10
BLACK_S, FROZEN_S = 0.3, 1.0
FRAME_MS = 1000 / FPS
FULL_FRAME = 0.97
LIKENESS, LAG_MS = 0.35, 40.0
WORDS_VOICED, CAPTION_SYNC_MS, LETTERS_DRAWN = 0.8, 100.0, 0.9
_QUARTER = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking at every frame found: black and frozen spans in seconds, and the share of the frame in use."""

    black: tuple[tuple[float, float], ...]
    frozen: tuple[float, ...]
    used: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All measurements of one delivered file. `audio_ms` is its decoded sound; `heard` by scene that speaks."""

    probe: Probe
    audio_ms: float
    loudness: Loudness
    seen: Seen
    heard: Mapping[int, Heard]


class Check(msgspec.Struct, frozen=True):
    name: str
    passed: bool
    value: object
    limit: object


class Report(msgspec.Struct, frozen=True):
    passed: bool
    checks: tuple[Check, ...]


def seen(report: str, *, width: int, height: int) -> Seen:
    """Read what `graph.measure_picture` printed about a file of that size. No crop line: it is all black."""
    black = re.findall(r"black_start:\s*([\d.]+)\s+black_end:\s*([\d.]+)", report)
    frozen = re.findall(r"freeze_start:\s*([\d.]+)", report)
    crops = re.findall(r"crop=(-?\d+):(-?\d+):", report)
    wide, high = (int(n) for n in crops[-1]) if crops else (0, 0)
    return Seen(
        black=tuple((float(a), float(b)) for a, b in black),
        frozen=tuple(float(t) for t in frozen),
        used=(max(0, wide) * _QUARTER / width, max(0, high) * _QUARTER / height),
    )


def judge(timeline: Timeline, evidence: Evidence) -> Report:
    """Check a delivered file against its plan; it passes when every check does."""
    checks = (*_streams(timeline, evidence), *_times(timeline, evidence), *_sound(evidence), *_picture(evidence))
    every = (*checks, *_speech(timeline, evidence), *_captions(timeline, evidence))
    return Report(all(c.passed for c in every), every)


def _equal(name: str, value: object, limit: object) -> Check:
    return Check(name, value == limit, value, limit)


def _streams(timeline: Timeline, evidence: Evidence) -> Iterator[Check]:
    p = evidence.probe
    yield _equal("streams", [p.video_streams, p.audio_streams, p.other_streams], [1, 1, 0])
    yield _equal("size", [p.width, p.height], [timeline.width, timeline.height])
    yield _equal("square_pixels", p.square_pixels, limit=True)
    yield _equal("video_codec", [p.codec, p.profile, p.pixels], ["h264", "High", "yuv420p"])
    yield _equal("colour", [p.bt709, p.limited_range], [True, True])
    yield _equal("audio_codec", [p.audio_codec, p.audio_rate, p.audio_channels], ["aac", SAMPLE_RATE, 2])
    yield _equal("faststart", p.faststart, limit=True)


def _times(timeline: Timeline, evidence: Evidence) -> Iterator[Check]:
    p = evidence.probe
    yield _equal("frame_rate", p.fps, float(FPS))
    yield Check("constant_frame_rate", p.uneven_ms <= 1.0, round(p.uneven_ms, 2), 1.0)
    yield _equal("frames", p.frames, timeline.frames)
    target = timeline.target_frames / FPS
    low, high = round(target * (1 - DURATION_OFF), 3), round(target * (1 + DURATION_OFF), 3)
    yield Check("duration_s", low <= p.video_ms / 1000 <= high, round(p.video_ms / 1000, 3), [low, high])
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
    lags = {str(scene): evidence.heard[scene].lag_ms for scene in speaking if scene in evidence.heard}
    yield Check("speech_in_each_scene", all(v >= LIKENESS for v in likeness.values()), likeness, LIKENESS)
    yield Check("speech_sync_ms", all(abs(v) <= LAG_MS for v in lags.values()), lags, LAG_MS)


def _captions(timeline: Timeline, evidence: Evidence) -> Iterator[Check]:
    shown = groups(timeline)
    area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
    outside = [i for i, group in enumerate(shown) if not area.holds(group.block.ink)]
    box = [area.left, area.top, area.right, area.bottom]
    yield Check("caption_boxes", not outside, {"groups": len(shown), "outside": outside}, box)
    overlaps = sum(a.end > b.turns[0] for a, b in pairwise(shown))
    late = sum(group.end > timeline.frames for group in shown)
    yield _equal("caption_overlaps", overlaps + late, 0)
    voiced = min((h.words_voiced for h in evidence.heard.values()), default=1.0)
    yield Check("words_on_speech", voiced >= WORDS_VOICED, voiced, WORDS_VOICED)
    worst = max((abs(h.lag_ms) for h in evidence.heard.values()), default=0.0) + FRAME_MS / 2
    yield Check("caption_sync_ms", worst <= CAPTION_SYNC_MS, round(worst, 1), CAPTION_SYNC_MS)
    drawn = round(coverage(timeline), 3)
    yield Check("caption_letters", drawn >= LETTERS_DRAWN, drawn, LETTERS_DRAWN)
