"""The contact sheet: a reel's small pictures, its sound and the verdict on it, in one picture for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from reelwright.rendering import gate, lines
from reelwright.rendering.captions import Cue, Group, groups
from reelwright.rendering.fonts import FONT_FILE
from reelwright.rendering.gates import measured, sentence, verdict, wanted
from reelwright.rendering.safearea import Area, safe_area
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import FPS, Timeline

if TYPE_CHECKING:
    from reelwright.rendering.hearing import Envelope

WIDTH, MARGIN, GAP = 1600, 32, 10
_PAPER, _INK, _FAINT, _CARD = "#14161b", "#f2f3f5", "#8d94a1", "#1f232b"
_GOOD, _BAD, _IDLE = "#4cc38a", "#ff6369", "#6c7380"
_SAFE, _CAPTION, _LEVEL, _WAVE = "#45c8ff", "#ffd84d", "#ff9f43", "#5b84c4"
_WAVE_HIGH, _CUE_HIGH, _SMALL, _PLAIN = 170, 26, 17, 19
_TOP_LUFS, _LOW_LUFS = 0.0, -40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the sheet shows. `tiles` are small pictures with the second at which each is; `levels` LUFS every 100 ms."""

    name: str
    report: gate.Report
    evidence: gate.Evidence
    tiles: Sequence[tuple[float, Path]]
    sound: "Envelope | None"
    levels: Sequence[float]
    cues: Sequence[Cue] = ()
    platform: str | None = None
    timeline: Timeline | None = None
    style: Style = CLASSIC


def draw(subject: Subject) -> Image.Image:
    """Draw the sheet, 1600 pixels wide and as high as it must be."""
    bands = [_header(subject), _pictures(subject), _sound(subject), _table(subject)]
    sheet = Image.new("RGB", (WIDTH, sum(b.height for b in bands) + MARGIN), _PAPER)
    y = 0
    for band in bands:
        sheet.paste(band, (0, y))
        y += band.height
    return sheet


@lru_cache(maxsize=16)
def _font(size: int, weight: str = "Medium") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT_FILE.with_name(f"Poppins-{weight}.ttf")), size)


def _band(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (WIDTH, height), _PAPER)
    return image, ImageDraw.Draw(image)


def _header(subject: Subject) -> Image.Image:
    checks, p = subject.report.checks, subject.evidence.probe
    failed = [c for c in checks if c.passed is False]
    image, pen = _band(126 + 28 * len(failed))
    lines.fitted(subject.name, 34, 900).draw(pen, (MARGIN, 24), _INK)
    pen.text(
        (WIDTH - MARGIN, 32),
        verdict(subject.report),
        font=_font(26, "SemiBold"),
        fill=_BAD if failed else _GOOD,
        anchor="ra",
    )
    loud = subject.evidence.loudness
    facts = f"{p.width}×{p.height} · {p.fps:g} fps · {p.video_ms / 1000:.2f} s · {p.codec} {p.profile}"
    heard = f"{p.audio_codec} {p.audio_rate / 1000:g} kHz · {loud.lufs:.1f} LUFS · {loud.peak_dbtp:.1f} dBTP"
    facts += f" · {heard if p.audio_streams else 'no sound'} · {p.size_bytes / 1e6:.1f} MB"
    pen.text((MARGIN, 76), facts, font=_font(_PLAIN), fill=_FAINT)
    for i, check in enumerate(failed):
        lines.fitted(sentence(check), _PLAIN, WIDTH - 2 * MARGIN).draw(pen, (MARGIN, 110 + 28 * i), _BAD)
    return image


def _pictures(subject: Subject) -> Image.Image:
    if not subject.tiles:
        return _band(0)[0]
    with Image.open(subject.tiles[0][1]) as first:
        wide, high = first.size
    across = max(1, (WIDTH - 2 * MARGIN + GAP) // (wide + GAP))
    captioned = 44 if subject.cues else 0
    step = high + 26 + captioned + GAP
    image, pen = _band(step * -(-len(subject.tiles) // across) + 34)
    _legend(pen, subject)
    shown_groups = groups(subject.timeline, subject.style) if subject.timeline else ()
    for i, (at_s, path) in enumerate(subject.tiles):
        x, y = MARGIN + i % across * (wide + GAP), 34 + i // across * step
        with Image.open(path) as tile:
            image.paste(_marked(tile.convert("RGB"), subject, at_s, shown_groups), (x, y))
        trouble = _trouble(subject, at_s)
        if trouble:
            pen.rectangle((x - 3, y - 3, x + wide + 2, y + high + 2), outline=_BAD, width=3)
        scene = _scene(subject.timeline, at_s)
        label = " ".join(part for part in (f"{at_s:g} s", scene, trouble) if part)
        pen.text((x, y + high + 3), label, font=_font(_SMALL), fill=_BAD if trouble else _FAINT)
        cue = next((c for c in subject.cues if c.start_ms <= at_s * 1000 < c.end_ms), None)
        if cue:
            for row, line in enumerate(lines.two(" ".join(cue.lines), 14, wide)):
                begin = x + wide - line.length if line.rightwards else x
                line.draw(pen, (begin, y + high + 24 + 19 * row), _INK)
    return image


def _scene(timeline: Timeline | None, at_s: float) -> str:
    shots = timeline.shots if timeline else ()
    return next((f"· scene {s.scene + 1}" for s in shots if s.start <= at_s * FPS < s.end), "")


def _legend(pen: ImageDraw.ImageDraw, subject: Subject) -> None:
    step = subject.tiles[1][0] - subject.tiles[0][0] if len(subject.tiles) > 1 else 1
    x = MARGIN
    parts = [(f"a picture every {step:g} s", _FAINT)]
    if subject.platform:
        parts.append((f"safe area of {subject.platform}", _SAFE))
    if subject.timeline:
        parts.append(("caption", _CAPTION))
    for text, colour in parts:
        pen.text((x, 2), text, font=_font(_SMALL), fill=colour)
        x += int(_font(_SMALL).getlength(text)) + 24


def _trouble(subject: Subject, at_s: float) -> str:
    """Return what is wrong with the picture at this second, in a word."""
    if any(a <= at_s < b for a, b in _black(subject)):
        return "black"
    return "still" if any(t <= at_s < t + gate.FROZEN_S for t in subject.evidence.seen.frozen) else ""


def _black(subject: Subject) -> Sequence[tuple[float, float]]:
    """Return the black spans where they are too long, or stand at the start; a fade that is meant is nothing wrong."""
    failed = {check.name for check in subject.report.checks if check.passed is False}
    return subject.evidence.seen.black if failed & {"black_s", "first_frame"} else ()


def _marked(tile: Image.Image, subject: Subject, at_s: float, shown_groups: Sequence[Group]) -> Image.Image:
    """Draw the app's safe area, and the box of the caption that is shown, over a small picture."""
    width, height = subject.evidence.probe.width, subject.evidence.probe.height
    pen, scale = ImageDraw.Draw(tile, "RGBA"), tile.width / width
    area = safe_area(subject.platform, width=width, height=height) if subject.platform else None
    if area:
        pen.rectangle(_scaled(area, scale), outline=_SAFE + "a0")
    for group in shown_groups:
        if group.lit(round(at_s * FPS)) is not None:
            inside = area is None or area.holds(group.block.ink)
            left, top, right, bottom = _scaled(group.block.ink, scale)
            around = (left - 3, top - 3, right + 3, bottom + 3)  # beside the letters, not through them
            pen.rectangle(around, outline=_CAPTION if inside else _BAD, width=2)
    return tile


def _scaled(area: Area, scale: float) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(v * scale) for v in (area.left, area.top, area.right, area.bottom))
    return left, top, right - 1, bottom - 1


def _sound(subject: Subject) -> Image.Image:
    """Draw the waveform, the momentary loudness over it, and when subtitles are shown below it, on one time axis."""
    image, pen = _band(_WAVE_HIGH + _CUE_HIGH + 92)
    left, right, top = MARGIN + 46, WIDTH - MARGIN, 34
    seconds = max(subject.evidence.probe.video_ms, subject.evidence.audio_ms, 1.0) / 1000
    per_s = (right - left) / seconds
    pen.text((MARGIN, 4), "sound", font=_font(_SMALL), fill=_WAVE)
    pen.text((MARGIN + 76, 4), "momentary loudness, LUFS", font=_font(_SMALL), fill=_LEVEL)
    aim = "the whole is to be -14 ±1"
    pen.text((MARGIN + 330, 4), aim, font=_font(_SMALL), fill=_GOOD)
    pen.rectangle((left, top, right, top + _WAVE_HIGH), fill=_CARD)
    _rulers(pen, left, right, top)
    if subject.sound is None:
        pen.text((left + 20, top + 70), "there is no sound", font=_font(22), fill=_BAD)
    else:
        _wave(pen, subject.sound, (left, right, top), seconds)
        pen.line([(left, _level_y(top, -14.0)), (right, _level_y(top, -14.0))], fill=_GOOD, width=1)
        points = [(left + (i + 1) * 0.1 * per_s, _level_y(top, v)) for i, v in enumerate(subject.levels)]
        if len(points) > 1:
            pen.line(points, fill=_LEVEL, width=2, joint="curve")
    below = top + _WAVE_HIGH + 6
    _spans(pen, subject, left, per_s, below)
    _seconds(pen, seconds, left, per_s, below + _CUE_HIGH + 4)
    return image


def _level_y(top: int, lufs: float) -> float:
    held = max(_LOW_LUFS, min(_TOP_LUFS, lufs))
    return top + (_TOP_LUFS - held) / (_TOP_LUFS - _LOW_LUFS) * _WAVE_HIGH


def _rulers(pen: ImageDraw.ImageDraw, left: int, right: int, top: int) -> None:
    for lufs in (-10, -20, -30):
        y = _level_y(top, lufs)
        pen.line([(left, y), (right, y)], fill="#2b303a")
        pen.text((left - 8, y), str(lufs), font=_font(14), fill=_FAINT, anchor="rm")


def _wave(pen: ImageDraw.ImageDraw, sound: "Envelope", box: tuple[int, int, int], seconds: float) -> None:
    left, right, top = box
    middle, half = top + _WAVE_HIGH / 2, _WAVE_HIGH / 2
    a_pixel = seconds * 100 / (right - left)
    for x in range(right - left):
        part = sound.peaks[int(x * a_pixel) : max(int(x * a_pixel) + 1, int((x + 1) * a_pixel))]
        if len(part):
            tall = min(1.0, float(part.max())) * half
            pen.line([(left + x, middle - tall), (left + x, middle + tall)], fill=_WAVE)


def _spans(pen: ImageDraw.ImageDraw, subject: Subject, left: int, per_s: float, y: int) -> None:
    """Draw when subtitles are shown, and where the picture is black."""
    for cue in subject.cues:
        a, b = left + cue.start_ms / 1000 * per_s, left + cue.end_ms / 1000 * per_s
        pen.rectangle((a, y, max(a + 1, b - 2), y + _CUE_HIGH), fill="#4a431f", outline=_CAPTION)
        if b - a > 30:  # noqa: PLR2004 - room for a few letters
            lines.fitted(" ".join(cue.lines), 14, b - a - 10).draw(pen, (a + 5, y + 4), _INK)
    if not subject.cues:
        pen.text((left, y + 2), "no subtitles were given", font=_font(14), fill=_FAINT)
    marks = [(a, b, "black") for a, b in _black(subject)]
    marks += [(t, t + gate.FROZEN_S, "still") for t in subject.evidence.seen.frozen]
    for a, b, what in marks:
        x = left + a * per_s
        pen.rectangle((x, y - _WAVE_HIGH - 6, left + b * per_s, y - 6), outline=_BAD, width=2)
        pen.text((x + 5, y - 30), what, font=_font(14), fill=_BAD)


def _seconds(pen: ImageDraw.ImageDraw, seconds: float, left: int, per_s: float, y: int) -> None:
    step = next(s for s in (1, 2, 5, 10, 30, 60, 300, 600, 3600, 86400) if s * per_s >= 50)  # noqa: PLR2004 - pixels
    for n in range(int(seconds / step) + 1):
        pen.text((left + n * step * per_s, y), f"{n * step} s", font=_font(14), fill=_FAINT, anchor="ma" if n else "la")


def _table(subject: Subject) -> Image.Image:
    """Draw all checks in two columns: verdict, gate, name, value, what is wanted."""
    checks, high = subject.report.checks, 30
    rows = -(-len(checks) // 2)
    image, pen = _band(rows * high + 44)
    column = (WIDTH - 2 * MARGIN - 40) // 2
    for i, check in enumerate(checks):
        x, y = MARGIN + i // rows * (column + 40), 40 + i % rows * high
        colour = {True: _GOOD, False: _BAD, None: _IDLE}[check.passed]
        pen.ellipse((x, y + 5, x + 14, y + 19), fill=colour if check.passed is not None else None, outline=colour)
        pen.text((x + 24, y), f"{check.gate}", font=_font(_SMALL), fill=_FAINT)
        ink = _IDLE if check.passed is None else _BAD if check.passed is False else _INK
        pen.text((x + 56, y), check.name, font=_font(_SMALL), fill=ink)
        value = measured(check)
        lines.fitted(value, _SMALL, 225).draw(pen, (x + 290, y), ink)
        lines.fitted(wanted(check), _SMALL, 210).draw(pen, (x + 530, y), _FAINT)
    for x in (MARGIN, MARGIN + column + 40):
        for off, title in ((0, "gate"), (56, "check"), (290, "measured"), (530, "wanted")):
            pen.text((x + off, 8), title, font=_font(14), fill=_FAINT)
    return image
