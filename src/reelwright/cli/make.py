"""`reelwright make`: orders a reel over the real HTTP API, follows it stage by stage, and saves the file."""

import errno
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from reelwright.cli import answers
from reelwright.ground.errors import Outage, Refusal

_LABELS = {
    "INGESTION": "reading",
    "STORY_WRITING": "writing",
    "SCENE_GENERATION": "planning scenes",
    "VISUAL_GENERATION": "drawing",
    "VISUAL_VERIFICATION": "checking pictures",
    "VIDEO_GENERATION": "moving pictures",
    "TTS_GENERATION": "speaking",
    "AUDIO_MIXING": "mixing sound",
    "VIDEO_ASSEMBLY": "rendering",
}
_ROOM_BYTES = 64 << 20  # three minutes of video, twice: the part file and the old one it replaces
_ENDS = {"succeeded", "failed", "cancelled"}


class MakeRefused(Refusal):
    code = "make.refused"


class Api(Protocol):
    """Where the API is, and the key to it."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_key(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to make, and where to put it."""

    body: dict[str, object]
    out: Path
    as_json: bool = False


def check_output(out: Path) -> None:
    """Find out now whether the file can be written, not after the work. Raises MakeRefused."""
    probe = out.parent / f".{out.name}.{secrets.token_hex(4)}"
    try:
        if out.is_dir():
            raise MakeRefused(f"{out} is a folder: give a file name such as {out / 'reel.mp4'}.", field="--out")
        probe.touch()
        probe.unlink()
        room = shutil.disk_usage(out.parent).free >= _ROOM_BYTES
    except FileNotFoundError:
        raise MakeRefused(f"The folder {out.parent} does not exist: make it first.", field="--out") from None
    except OSError as error:
        room = error.errno != errno.ENOSPC
        if room:
            raise MakeRefused(
                f"{out} can't be written ({error.strerror}): choose another place.", field="--out"
            ) from error
    if not room:
        raise MakeRefused(f"No space is left in {out.parent}: free some and try again.", field="--out")


def run(wish: Wish, api: Api) -> dict[str, object]:
    """Make the reel and return what `--json` prints. Raises MakeRefused and Outage with the API's own sentence."""
    headers = {"Authorization": f"Bearer {api.api_key}"}
    with httpx.Client(base_url=api.base_url, headers=headers, timeout=30, trust_env=False) as client:
        accepted = _answer(
            client.post("/v1/create", json=wish.body, headers={"Idempotency-Key": secrets.token_urlsafe(18)})
        )
        location = f"/v1/generations/{accepted['generation_id']}"
        _follow(client, location, Console(stderr=True, quiet=wish.as_json))
        shown = _answer(client.get(location))
        if shown["status"] != "succeeded":
            failure = shown["failure"] or {"code": shown["status"], "detail": f"The reel was {shown['status']}."}
            field = _given(wish.body) if failure["code"].startswith("source.") else None
            raise MakeRefused(failure["detail"], field=field, code=failure["code"])
        saved = _save(client, shown, wish.out)
    return _summary(shown, saved)


def _given(body: dict[str, object]) -> str:
    """Return which of the three sources the reel was to be made from."""
    return next(name for name in ("topic", "url", "text") if name in body)


def _answer(response: httpx.Response) -> Any:
    return answers.good(response, refused=MakeRefused)


def _follow(client: httpx.Client, location: str, console: Console) -> None:
    """Show a bar for each stage until the generation has ended; a broken stream is resumed where it stopped."""
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    last, tries = "0", 0
    with Progress(*columns, console=console, transient=False) as progress:
        bars: dict[str, TaskID] = {}
        while True:
            try:
                for event, number, data in _events(client, location, last):
                    last, tries = number or last, 0
                    if event == "progress":
                        _draw(progress, bars, data)
                    if event in _ENDS:
                        _draw(progress, bars, _answer(client.get(location))["stages"])
                        return
            except httpx.TransportError:
                tries += 1
                if tries > 30:  # noqa: PLR2004 - a restarting API is back within half a minute
                    raise Outage("The API went away while the reel was being made; the work goes on there.") from None
                time.sleep(1)


def _draw(progress: Progress, bars: dict[str, TaskID], stages: list[dict[str, Any]]) -> None:
    for stage in stages:
        name: str = stage["stage"]
        count = f"{stage['done']}/{stage['total']}"
        if name not in bars:
            bars[name] = progress.add_task(_LABELS.get(name, name.lower()), total=1.0, count=count)
        progress.update(bars[name], completed=stage["progress"], count=count)
        if stage["status"] == "succeeded":
            progress.stop_task(bars[name])


def _events(client: httpx.Client, location: str, last: str) -> Iterator[tuple[str, str | None, Any]]:
    """Yield (event, id, data) from the stream until it closes."""
    with client.stream("GET", f"{location}/events", headers={"Last-Event-ID": last}, timeout=60) as stream:
        if not stream.is_success:
            stream.read()
            _answer(stream)
        event, number, data = "message", None, ""
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "id":
                number = value
            elif name == "data":
                data += value
            elif not line and data:
                yield event, number, json.loads(data)
                event, number, data = "message", None, ""


def _save(client: httpx.Client, shown: dict[str, Any], out: Path) -> dict[str, str]:
    """Write video, captions, thumbnail and manifest beside each other; nothing half-written keeps a final name."""
    video = shown["video"]
    places = {
        "video": (video["url"], out),
        "thumbnail": (video["thumbnail_url"], out.with_suffix(".jpg")),
        "captions": (video["captions_srt_url"], out.with_suffix(".srt")),
        "captions_vtt": (video["captions_vtt_url"], out.with_suffix(".vtt")),
    }
    if manifest := video.get("manifest_url"):  # a server of before may be running
        places["manifest"] = (manifest, out.with_suffix(".manifest.json"))
    for url, place in places.values():
        part = place.with_name(f".{place.name}.part")
        try:
            with client.stream("GET", url) as answer, part.open("wb") as file:
                if not answer.is_success:
                    answer.read()
                    _answer(answer)
                for block in answer.iter_bytes(1 << 20):
                    file.write(block)
            part.replace(place)
        except OSError as error:
            raise MakeRefused(f"{place} can't be written ({error.strerror}).", field="--out") from error
        finally:
            part.unlink(missing_ok=True)
    return {name: str(place) for name, (_, place) in places.items()}


def _summary(shown: dict[str, Any], saved: dict[str, str]) -> dict[str, object]:
    variant = shown["variants"][0] if shown["variants"] else {}
    return {
        "generation_id": shown["id"],
        "video": saved["video"],
        "duration_s": shown["video"]["duration_ms"] / 1000,
        "captions": saved["captions"],
        "captions_vtt": saved["captions_vtt"],
        "thumbnail": saved["thumbnail"],
        "manifest": saved.get("manifest"),
        "title": variant.get("title"),
        "caption": variant.get("caption"),
        "hashtags": variant.get("hashtags"),
        "attribution": variant.get("attribution"),
        "outline": variant.get("outline"),
        "gate": shown["gate"],
        "credits": shown["credits"]["charged"],
        "timings": {stage["stage"]: stage["seconds"] for stage in shown["stages"]},
    }


def tell(made: dict[str, Any], console: Console, *, seconds: float) -> None:
    """Print what was made, for a person."""
    gate = made["gate"] or {}
    checks = gate.get("checks", [])
    judged = {check.get("gate") for check in checks if check.get("passed") is not None}
    failed = {check.get("gate") for check in checks if check.get("passed") is False}
    console.print(f"[bold]{made['video']}[/bold]  {made['duration_s']:.1f} s, made in {seconds:.0f} s")
    console.print(f"checked: {len(judged - failed)} of {len(judged)} gates hold · {made['credits']:.1f} credits")
    console.print(f"captions {made['captions']} · thumbnail {made['thumbnail']} · manifest {made['manifest']}")
    if made["attribution"]:
        credit = made["attribution"]
        licence = f" ({credit['licence']})" if credit.get("licence") else ""
        console.print(f"source: {credit['title']}{licence}")
    if made["outline"]:
        console.print("No facts were found for this topic: the reel is an outline of your own words.")
