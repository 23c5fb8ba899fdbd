"""`reelwright inspect`: runs the release gate on any video file, for a person, a program and as a picture."""

import asyncio
import math
import tempfile
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reelwright import rendering
from reelwright.ground.errors import Refusal
from reelwright.rendering import captions, gate, gates, hearing, safearea, wording
from worker import ffmpeg, measuring

_FILE = click.Path(path_type=Path)
_BYTES = 8 << 20
_LONGEST_S = 86_400.0
_SIDES = range(64, 7681)  # pixels


class InspectRefused(Refusal):
    code = "inspect.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the caller says about the file; None is what wasn't said."""

    duration_s: float | None
    platform: str | None
    cues: tuple[captions.Cue, ...] | None
    timeline: rendering.Timeline | None
    style: rendering.Style = field(default_factory=rendering.Style)


class _Manifest(msgspec.Struct, frozen=True, tag="manifest/1"):
    """What is needed of a reel's manifest; more stands beside it."""

    timeline: rendering.Timeline
    style: rendering.Style


@click.command()
@click.argument("file", type=_FILE)
@click.option("--captions", "subtitles", type=_FILE, help="Its SubRip or WebVTT file; else the .srt beside FILE.")
@click.option("--duration", "duration_s", type=click.FloatRange(0.1, _LONGEST_S), help="Seconds that were ordered.")
@click.option("--platform", type=click.Choice(list(safearea.PLATFORMS)), help="The app it is for.")
@click.option("--plan", type=_FILE, help="Its manifest, as `make` saves it, or its timeline alone.")
@click.option("--sheet", type=_FILE, help="Write a contact sheet here, as PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def inspect(
    file: Path,
    subtitles: Path | None,
    duration_s: float | None,
    platform: str | None,
    plan: Path | None,
    sheet: Path | None,
    as_json: bool,  # noqa: FBT001 - a flag
) -> int:
    """Check any video file by the gates of a release, and draw what was found.

    Exit code 0: all gates that can be judged hold. 1: some failed, and are named. 2: it is no video.

    Example:  reelwright inspect cats.mp4 --platform tiktok --duration 30 --sheet cats.png
    """
    if not file.is_file():
        raise InspectRefused(f"{file} is not a file: give a video such as reel.mp4.", field="FILE")
    if duration_s is not None and math.isnan(duration_s):
        raise InspectRefused("nan is no length: give seconds, such as 30.", field="--duration")
    beside = file.with_suffix(".srt")
    found = subtitles or (beside if plan is None and beside.is_file() else None)
    timeline, style = _plan(plan) if plan else (None, rendering.Style())
    told = Told(
        duration_s=duration_s,
        platform=platform or (timeline.platform if timeline else None),
        cues=_cues(found) if found else captions.cues(timeline) if timeline else None,
        timeline=timeline,
        style=style,
    )
    if sheet is not None and not sheet.parent.is_dir():
        raise InspectRefused(f"The folder {sheet.parent} does not exist: make it first.", field="--sheet")
    with tempfile.TemporaryDirectory(prefix="reelwright-inspect-") as folder:
        measured = _measured(file, Path(folder), told, Console(stderr=True, quiet=as_json))
        report = judged(measured, told)
        if sheet is not None:
            _draw(file, measured, told, report, sheet)
    if as_json:
        click.echo(msgspec.json.encode(_summary(file, measured, report, found, sheet)))
    else:
        _tell(file, report, Console(emoji=False, highlight=False), sheet)
    return 0 if report.passed else 1


def _text(file: Path, field: str) -> str:
    """Read a side file. Raises InspectRefused."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_BYTES + 1)
    except OSError as error:
        raise InspectRefused(f"{file} can't be read ({error.strerror}).", field=field) from error
    if len(raw) > _BYTES:
        raise InspectRefused(f"{file} is larger than 8 MiB: that is no side file of a reel.", field=field)
    return raw.decode("utf-8", errors="replace")


def _cues(file: Path) -> tuple[captions.Cue, ...]:
    try:
        return captions.read(_text(file, "--captions"))
    except ValueError as wrong:
        raise InspectRefused(f"{file} holds no subtitles: give SubRip or WebVTT.", field="--captions") from wrong


def _plan(file: Path) -> tuple[rendering.Timeline, rendering.Style]:
    """Return timeline and style. Only a manifest tells the style: else it is that of who chooses none."""
    try:
        told = msgspec.json.decode(_text(file, "--plan"), type=rendering.Timeline | _Manifest)
    except msgspec.MsgspecError as wrong:
        raise InspectRefused(f"{file} is no reel's manifest or timeline: {wrong}.", field="--plan") from wrong
    timeline, style = (told.timeline, told.style) if isinstance(told, _Manifest) else (told, rendering.Style())
    if why := _impossible(timeline):
        raise InspectRefused(f"{file} plans no reel: {why}. Give the manifest that `make` saved.", field="--plan")
    return timeline, style


def _impossible(plan: rendering.Timeline) -> str:
    """Return why nothing can be rendered by a plan; empty where it can."""
    edges, longest = [shot.start for shot in plan.shots[:1]], round(_LONGEST_S * rendering.FPS)
    edges += [shot.end for shot in plan.shots]
    checks = {
        f"{plan.width}×{plan.height} is no size of a frame": {plan.width, plan.height} <= set(_SIDES),
        f"the platform {plan.platform} is none of {', '.join(safearea.PLATFORMS)}": plan.platform in safearea.PLATFORMS,
        "it has no scenes": bool(plan.shots),
        "its scenes don't follow on each other": all(a.end == b.start for a, b in pairwise(plan.shots))
        and all(a < b for a, b in pairwise(edges)),
        "it is longer than a day, or begins before its beginning": min(edges, default=0) >= 0
        and max((*edges, plan.target_frames)) <= longest,
        "a word ends before it begins, or begins before the reel": all(
            0 <= word.start_ms <= word.end_ms <= _LONGEST_S * 1000 for word in plan.words
        ),
        "nothing was ordered": plan.target_frames > 0,
        "a card has no frames": all(card is None or 0 < card.frames <= longest for card in (plan.intro, plan.outro)),
    }
    return next((why for why, holds in checks.items() if not holds), "")


def _measured(file: Path, workspace: Path, told: Told, console: Console) -> measuring.Measured:
    """Measure the file under a bar. Raises InspectRefused where it isn't a video."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("looking and listening", total=1.0)
        covered = wording.covered(told.timeline, told.style) if told.timeline else None
        looking = measuring.measured(
            file.resolve(), workspace, covered=covered, tell=lambda done: progress.update(bar, completed=done)
        )
        try:
            return asyncio.run(looking)
        except (ValueError, ffmpeg.MediaFailed) as wrong:
            why = "it can't be decoded" if isinstance(wrong, ffmpeg.MediaFailed) else wrong
            raise InspectRefused(
                f"{file} is not a video that can be inspected: {why}. Give an MP4, MOV, MKV, WebM, AVI or TS file.",
                field="FILE",
                code="inspect.not_a_video",
            ) from wrong


def judged(measured: measuring.Measured, told: Told) -> rendering.Report:
    """Judge what was measured by what the caller says."""
    plain = gate.ordered(told.timeline) if told.timeline else gate.Wanted()
    heard = None
    if told.cues and measured.sound:
        heard = hearing.timing(measured.sound, [(cue.start_ms, cue.end_ms) for cue in told.cues])
    target_s = told.duration_s or plain.target_s
    wanted = replace(plain, target_s=target_s, platform=told.platform, cues=told.cues, heard=heard)
    evidence = measured.evidence
    if told.timeline:
        evidence = replace(evidence, variety=rendering.variety.variety(told.timeline, measured.tiles, told.style))
    return gate.judge_alone(wanted, evidence, told.timeline, told.style)


def _draw(file: Path, measured: measuring.Measured, told: Told, report: rendering.Report, out: Path) -> None:
    """Write the contact sheet; nothing half-written keeps its name. Raises InspectRefused."""
    from reelwright.rendering import sheet as drawing  # noqa: PLC0415 - fonts, only where a picture is wanted

    subject = drawing.Subject(
        name=file.name,
        report=report,
        evidence=measured.evidence,
        tiles=measured.tiles,
        sound=measured.sound,
        levels=measured.levels,
        cues=told.cues or (),
        platform=told.platform,
        timeline=told.timeline,
        style=told.style,
    )
    part = out.with_name(f".{out.name}.part")
    try:
        drawing.draw(subject).save(part, "PNG", optimize=True)
        part.replace(out)
    except OSError as error:
        raise InspectRefused(f"{out} can't be written ({error.strerror}).", field="--sheet") from error
    finally:
        part.unlink(missing_ok=True)


def _summary(
    file: Path, measured: measuring.Measured, report: rendering.Report, subtitles: Path | None, sheet: Path | None
) -> dict[str, Any]:
    p, loud = measured.evidence.probe, measured.evidence.loudness
    checks = [
        {
            "gate": c.gate,
            "name": c.name,
            "passed": c.passed,
            "value": c.value,
            "limit": c.limit,
            "remedy": gates.GATES[c.name].remedy if c.passed is False else None,
            "needs": gates.GATES[c.name].needs if c.passed is None else None,
        }
        for c in report.checks
    ]
    return {
        "file": str(file),
        "passed": report.passed,
        "failed": [c.name for c in report.checks if c.passed is False],
        "checks": checks,
        "width": p.width,
        "height": p.height,
        "duration_s": round(p.video_ms / 1000, 3),
        "loudness_lufs": loud.lufs if p.audio_streams else None,
        "size_bytes": p.size_bytes,
        "captions": str(subtitles) if subtitles else None,
        "sheet": str(sheet) if sheet else None,
    }


def _tell(file: Path, report: rendering.Report, console: Console, sheet: Path | None) -> None:
    """Print the checks, then what failed and what to do, then what was not judged and what it needs."""
    table = Table("gate", "check", "measured", "wanted", show_edge=False)
    signs = {True: "[green]✓", False: "[red]✗", None: "[dim]·"}
    for check in report.checks:
        number = f"{signs[check.passed]} {check.gate}"
        table.add_row(number, check.name, escape(gates.measured(check)), escape(gates.wanted(check)))
    console.print(table)
    failed = [c for c in report.checks if c.passed is False]
    for check in failed:
        console.print(f"[red]✗[/red] {escape(gates.sentence(check))}", soft_wrap=True)
    asked = sorted({gates.GATES[c.name].needs for c in report.checks if c.passed is None} - {""})
    if asked:
        console.print(f"Not judged without {', '.join(asked)}.", soft_wrap=True)
    console.print(f"[bold]{escape(str(file))}[/bold]: {gates.verdict(report)}", soft_wrap=True)
    if sheet is not None:
        console.print(f"contact sheet {escape(str(sheet))}", soft_wrap=True)
