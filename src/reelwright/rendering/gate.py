"""The release gate: what was measured on a file, turned into named checks with a value and a limit each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from reelwright.rendering import edges, making, motion, reading, wording
from reelwright.rendering.captions import Cue, groups, undrawn
from reelwright.rendering.gates import Check, Report, reported
from reelwright.rendering.graph import GROUP_FRAMES, Loudness
from reelwright.rendering.hearing import Heard
from reelwright.rendering.probe import Probe
from reelwright.rendering.safearea import LENGTHS_S, safe_area
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import FPS, SAMPLE_RATE, Timeline, Word
from reelwright.rendering.variety import Variety

LUFS, LUFS_OFF, PEAK_DBTP = -14.0, 1.0, -1.0
RANGE_LU = 11.0  # the range loudness normalisation aims at (EBU Tech 3341; ffmpeg's loudnorm)
DURATION_OFF = 0.10
BLACK_S, FADE_S, FROZEN_S = 0.1, 0.5, 1.0
UNPLANNED_BLACK_S = 0.3  # where nobody told which fades are meant
FRAME_MS = 1000 / FPS
LIKENESS, LAG_MS, CUT_FRAMES = 0.35, 40.0, 1.0
OVER_MUSIC_DB = 12.0  # the least by which music lies below who speaks; 20 is what WCAG 2.2, 1.4.7 asks
WORDS_VOICED = 0.8
CAPTION_SYNC_MS, CAPTION_WORST_MS = 100.0, 200.0  # 19 in 20 within three frames (Netflix's timed text guide), and all
AUDIO_KBIT_S = (128, 384)  # Instagram's and YouTube's
MEGABYTES, MEGABITS_S = 300.0, 25.0  # the least that the apps' upload interfaces take (Instagram's)
SIZES = ((1080, 1920), (1080, 1080), (1920, 1080))
_QUARTER = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking at every frame found: black and frozen spans in seconds, and bars in some of them.

    `decoded` is how many frames were shown, `damaged` how often the decoder had to guess or gave up. Of a frozen span
    only the start is kept: where it lasts to the end, no end of it is told.
    """

    black: tuple[tuple[float, float], ...]
    frozen: tuple[float, ...]
    framed: tuple[edges.Sample, ...]
    decoded: int
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All measurements of one file. `audio_ms` is its decoded sound; `heard` by scene that speaks.

    `voices` are the narrations' own words by scene, their times from its start, and `subtitles` the delivered side
    files by their form; `made` is how it was made: where a file comes from elsewhere, nobody has them. `variety` is
    known where it is known which scene is seen when.
    """

    probe: Probe
    audio_ms: float
    loudness: Loudness
    seen: Seen
    heard: Mapping[int, Heard]
    voices: Mapping[int, tuple[Word, ...]] = field(default_factory=dict[int, tuple[Word, ...]])
    subtitles: Mapping[str, tuple[Cue, ...]] = field(default_factory=dict[str, tuple[Cue, ...]])
    made: making.Making | None = None
    variety: Variety | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a file is held against. What nobody told is None, and the checks that need it are not judged.

    `cues` are the subtitles that came with it and `heard` how they lie on its sound. `fades` are the seconds within
    which it may be black for a moment.
    """

    sizes: tuple[tuple[int, int], ...] = SIZES
    frames: int | None = None
    target_s: float | None = None
    platform: str | None = None
    cues: tuple[Cue, ...] | None = None
    heard: Heard | None = None
    fades: tuple[tuple[float, float], ...] | None = None


def seen(report: str, *, width: int, height: int, length_ms: float) -> Seen:
    """Read what `graph.measure_picture` printed about a file of that size.

    Rests that follow on each other are one: a key frame, written anew, moves even a picture that stands still.
    """
    black = re.findall(r"black_start:\s*([\d.]+)\s+black_end:\s*([\d.]+)", report)
    decoded = re.findall(r"frame=\s*(\d+)", report)
    return Seen(
        black=tuple((float(a), float(b)) for a, b in black),
        frozen=tuple(start for start, end in _rests(report, length_ms / 1000) if end - start >= FROZEN_S),
        framed=edges.samples(report, width=width // _QUARTER, height=height // _QUARTER),
        decoded=int(decoded[-1]) if decoded else 0,
        damaged=len(re.findall(r"concealing \d+ DC|Error submitting packet to decoder|Invalid NAL unit size", report)),
    )


def _rests(report: str, length_s: float) -> list[list[float]]:
    starts, ends = (re.findall(rf"freeze_{edge}:\s*([\d.]+)", report) for edge in ("start", "end"))
    made: list[list[float]] = []
    for start, end in zip_longest(map(float, starts), map(float, ends), fillvalue=length_s):
        if made and start - made[-1][1] < FRAME_MS / 1000:
            made[-1][1] = end
        else:
            made.append([start, end])
    return made


def judge(timeline: Timeline, evidence: Evidence, style: Style = CLASSIC) -> Report:
    """Check a delivered file and its subtitles against plan and narrations; it passes when every check does."""
    lags_ms = {scene: heard.lag_ms for scene, heard in _found(evidence).items()}
    said = wording.as_said(timeline, evidence.voices, lags_ms)
    late = wording.lateness(timeline, said, evidence.subtitles, style)
    speech = (*_speech(timeline, evidence), *_captions(timeline, evidence, late, style))
    cues = tuple(evidence.subtitles.values())
    read = (reading.letters(cues, wording.letters_a_second(said)), reading.stays(cues, timeline, style))
    beside = (*read, _words(late))
    return _reported(ordered(timeline), evidence, (*speech, *beside), timeline)


def ordered(timeline: Timeline) -> Wanted:
    """Return what a plan asks of its file."""
    size, target_s = (timeline.width, timeline.height), timeline.target_frames / FPS
    return Wanted(
        sizes=(size,),
        frames=timeline.frames,
        target_s=target_s,
        platform=timeline.platform,
        fades=tuple(_fades(timeline)),
    )


def _fades(timeline: Timeline) -> Iterator[tuple[float, float]]:
    """Yield the seconds of cards, which stand on a dark ground, and of cuts that dip into black."""
    yield 0.0, timeline.shots[0].start / FPS
    for shot, following in pairwise(timeline.shots):
        if shot.transition == "dip":
            yield (shot.end - following.before) / FPS, (shot.end + shot.after) / FPS
    yield timeline.shots[-1].end / FPS, timeline.frames / FPS


def judge_alone(wanted: Wanted, evidence: Evidence, timeline: Timeline | None = None, style: Style = CLASSIC) -> Report:
    """Check a file from anywhere against what is told about it; it passes when nothing that can be judged fails.

    Where captions stand in the picture only a plan can tell.
    """
    unheard = [
        Check(name, None, None, limit)
        for name, limit in (
            ("speech_in_each_scene", LIKENESS),
            ("speech_sync_ms", LAG_MS),
            ("cut_to_voice_frames", CUT_FRAMES),
            ("voice_over_music_db", OVER_MUSIC_DB),
        )
    ]
    cues = () if wanted.cues is None else (wanted.cues,)
    read = (reading.letters(cues), reading.stays(cues, timeline, style))
    subtitles = (*_subtitles(wanted, evidence, timeline, style), *read, _words(None))
    return _reported(wanted, evidence, (*unheard, *subtitles), timeline)


def _reported(wanted: Wanted, evidence: Evidence, words: tuple[Check, ...], timeline: Timeline | None) -> Report:
    return reported(
        (
            *_streams(wanted, evidence.probe),
            *_times(wanted, evidence),
            *_sound(evidence),
            *_picture(wanted, evidence.seen),
            *words,
            *_delivery(wanted, evidence),
            *_container(evidence),
            *_scenes(evidence.variety, timeline),
            *making.checks(evidence.made, evidence.probe, ours=timeline is not None),
        )
    )


def _equal(name: str, value: object, limit: object) -> Check:
    return Check(name, value == limit, value, limit)


def _streams(wanted: Wanted, p: Probe) -> Iterator[Check]:
    yield _equal("streams", [p.video_streams, p.audio_streams, p.other_streams], [1, 1, 0])
    sizes = [list(size) for size in wanted.sizes]
    yield Check("size", [p.width, p.height] in sizes, [p.width, p.height], sizes[0] if len(sizes) == 1 else sizes)
    yield _equal("square_pixels", p.square_pixels, limit=True)
    yield _equal("video_codec", [p.codec, p.profile, p.pixels], ["h264", "High", "yuv420p"])
    yield _equal("colour", [p.bt709, p.limited_range], [True, True])
    heard = [p.audio_codec, p.audio_profile, p.audio_rate, p.audio_channels]
    yield _equal("audio_codec", heard, ["aac", "LC", SAMPLE_RATE, 2])
    (low, high), rate = AUDIO_KBIT_S, round(p.audio_kbit_s)
    yield Check("audio_kbit_s", low <= rate <= high if p.audio_streams else None, rate, [low, high])
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


def _picture(wanted: Wanted, found: Seen) -> Iterator[Check]:
    most = UNPLANNED_BLACK_S if wanted.fades is None else BLACK_S
    longest = max((b - a for a, b in found.black if b - a > FADE_S or not _faded(a, b, wanted.fades)), default=0.0)
    yield Check("black_s", longest < most, round(longest, 3), most)
    yield Check("frozen", not found.frozen, list(found.frozen), f"no picture still for {FROZEN_S} s")
    used = [round(share, 3) for share in edges.narrowest(found.framed, fades=wanted.fades, black=found.black)]
    yield Check("full_frame", min(used) >= edges.FULL, used, edges.FULL)


def _faded(start: float, end: float, fades: tuple[tuple[float, float], ...] | None) -> bool:
    return any(first <= (start + end) / 2 <= last for first, last in fades or ())


def _speech(timeline: Timeline, evidence: Evidence) -> Iterator[Check]:
    speaking = [s.scene for s in timeline.shots if s.speech_ms is not None]
    likeness = {str(scene): evidence.heard[scene].likeness if scene in evidence.heard else 0.0 for scene in speaking}
    lags = {str(scene): heard.lag_ms for scene, heard in _found(evidence).items()}
    yield Check("speech_in_each_scene", all(v >= LIKENESS for v in likeness.values()), likeness, LIKENESS)
    yield Check("speech_sync_ms", all(abs(v) <= LAG_MS for v in lags.values()), lags, LAG_MS)
    behind = {
        str(s.scene): round((s.speech_ms[0] + lags[str(s.scene)]) * FPS / 1000 - s.start, 2)
        for s in timeline.shots
        if s.speech_ms is not None and str(s.scene) in lags
    }
    yield Check("cut_to_voice_frames", all(abs(v) <= CUT_FRAMES for v in behind.values()), behind, CUT_FRAMES)
    over = {str(n): h.over_rest_db for n, h in _found(evidence).items() if h.over_rest_db is not None}
    yield Check("voice_over_music_db", all(v >= OVER_MUSIC_DB for v in over.values()), over, OVER_MUSIC_DB)


def _found(evidence: Evidence) -> dict[int, Heard]:
    """Return what was heard of the narrations that are there: how late a missing one is means nothing."""
    return {scene: heard for scene, heard in evidence.heard.items() if heard.likeness >= LIKENESS}


def _captions(timeline: Timeline, evidence: Evidence, late: wording.Lateness, style: Style) -> Iterator[Check]:
    shown = groups(timeline, style)
    yield _boxes(timeline, style)
    overlaps = sum(a.end > b.turns[0] for a, b in pairwise(shown)) + sum(g.end > timeline.frames for g in shown)
    end_ms = evidence.probe.video_ms
    yield _equal("caption_overlaps", overlaps + sum(_overlaps(cues, end_ms) for cues in evidence.subtitles.values()), 0)
    voiced = min((h.words_voiced for h in evidence.heard.values()), default=1.0)
    yield Check("words_on_speech", voiced >= WORDS_VOICED, voiced, WORDS_VOICED)
    off, limits = [round(late.usual_ms, 1), round(late.worst_ms, 1)], [CAPTION_SYNC_MS, CAPTION_WORST_MS]
    near = late.usual_ms <= CAPTION_SYNC_MS and abs(late.worst_ms) <= CAPTION_WORST_MS
    yield Check("caption_sync_ms", near, off, limits)
    yield _equal("caption_letters", undrawn(w.text for w in timeline.words), [])


def _overlaps(cues: Sequence[Cue], end_ms: float) -> int:
    """Return how many subtitles stand over the next one, or past the end."""
    return sum(a.end_ms > b.start_ms for a, b in pairwise(cues)) + sum(c.end_ms > end_ms + FRAME_MS for c in cues)


def _words(late: wording.Lateness | None) -> Check:
    """Judge whether picture and subtitles show the narrations' words: by the names of those that show others."""
    return Check("caption_words", None, None, []) if late is None else _equal("caption_words", list(late.other), [])


def _subtitles(wanted: Wanted, evidence: Evidence, timeline: Timeline | None, style: Style) -> Iterator[Check]:
    yield Check("caption_boxes", None, None, None) if timeline is None else _boxes(timeline, style)
    if wanted.cues is None:
        yield Check("caption_overlaps", None, None, 0)
    else:
        yield _equal("caption_overlaps", _overlaps(wanted.cues, evidence.probe.video_ms), 0)
    heard = wanted.heard
    if heard is None:
        yield Check("words_on_speech", None, None, WORDS_VOICED)
        yield Check("caption_sync_ms", None, None, CAPTION_SYNC_MS)
    else:
        yield Check("words_on_speech", heard.words_voiced >= WORDS_VOICED, heard.words_voiced, WORDS_VOICED)
        yield Check("caption_sync_ms", abs(heard.lag_ms) <= CAPTION_SYNC_MS, heard.lag_ms, CAPTION_SYNC_MS)
    if wanted.cues is None:
        yield Check("caption_letters", None, None, [])
    else:
        yield _equal("caption_letters", undrawn(w for c in wanted.cues for w in c.words), [])


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


def _container(evidence: Evidence) -> Iterator[Check]:
    p = evidence.probe
    yield _equal("edit_lists", p.edit_lists, 0)
    yield _equal("open_groups", p.open_groups, 0)
    rate = round(p.megabits_a_second, 2)
    yield Check("bit_rate_mbit_s", rate <= MEGABITS_S, rate, MEGABITS_S)
    black = any(start == 0.0 for start, _ in evidence.seen.black)
    yield Check("first_frame", not black, "black" if black else "a picture", "a picture")


def _scenes(variety: Variety | None, timeline: Timeline | None) -> Iterator[Check]:
    """Judge how the camera goes in each scene, as it is painted, and whether scenes show different pictures."""
    limit = [motion.JERK_PX, 0, motion.ZOOM_A_S * 100]
    if timeline is None:
        yield Check("motion", None, None, limit)
    else:
        size = {"width": timeline.width, "height": timeline.height}
        ways = ([shot.window(frame, **size) for frame in shot.seen] for shot in timeline.shots)
        found = [motion.smoothness(way, **size) for way in ways]
        back, zoom = max(one.back for one in found), max(one.zoom_a_s for one in found) * 100
        worst = [round(max(one.jerk_px for one in found), 3), back, round(zoom, 2)]
        yield Check("motion", all(a <= b for a, b in zip(worst, limit, strict=True)), worst, limit)
    if variety is None:
        yield Check("scenes_alike", None, None, [])
    else:
        yield _equal("scenes_alike", [f"{one + 1} and {other + 1}" for one, other in variety.twins], [])


def _boxes(timeline: Timeline, style: Style) -> Check:
    shown = groups(timeline, style)
    area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
    outside = [i for i, group in enumerate(shown) if not area.holds(group.block.ink)]
    box = [area.left, area.top, area.right, area.bottom]
    return Check("caption_boxes", not outside, {"groups": len(shown), "outside": outside}, box)
