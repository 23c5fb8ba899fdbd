"""The commands that make reels and serve: the roof's share of the command line. `reelwright.cli` finds them by name."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import rich_click as click
from rich.console import Console

from reelwright.cli import make as making
from reelwright.dev.endpoints import DATA
from reelwright.dev.running import endpoints


def _text_of(file: Path | None) -> str | None:
    """Read an article. Raises MakeRefused, naming the option."""
    if file is None:
        return None
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise making.MakeRefused(f"{file} can't be read ({error.strerror}).", field="--text") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise making.MakeRefused(f"{file} is not UTF-8 text: save it as plain text first.", field="--text") from None


@click.command()
@click.argument("topic", required=False)
@click.option("--url", help="Make it from this web page.")
@click.option("--text", "text_file", type=click.Path(path_type=Path), help="Make it from this UTF-8 text file.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reel.mp4"),
    show_default=True,
    help="The MP4 to write.",
)
@click.option("--duration", type=int, default=30, show_default=True, help="Seconds, 10 to 180.")
@click.option(
    "--aspect", type=click.Choice(["9:16", "1:1", "16:9"]), default="9:16", show_default=True, help="Frame shape."
)
@click.option("--voice", default="default", show_default=True, help="The narrator.")
@click.option(
    "--tone",
    type=click.Choice(["calm", "curious", "energetic", "serious", "warm"]),
    default="curious",
    show_default=True,
    help="The mood of pictures and music.",
)
@click.option("--language", default="en", show_default=True, help="The language of the narration.")
@click.option("--music", default="auto", show_default=True, help="auto, none, a mood or a track's id.")
@click.option(
    "--profile",
    type=click.Choice(["normal", "fast", "preview"]),
    default="normal",
    show_default=True,
    help="fast: sooner, in a file twice as large; preview: 360 pixels, for a look.",
)
@click.option(
    "--platform",
    type=click.Choice(["tiktok", "reels", "shorts"]),
    default="tiktok",
    show_default=True,
    help="Whose buttons the captions keep clear of.",
)
@click.option(
    "--caption-style",
    type=click.Choice(["classic", "box", "karaoke", "pop", "subtitle"]),
    default="classic",
    show_default=True,
    help="How captions look.",
)
@click.option("--brand-kit", type=click.UUID, help="A brand kit's id: its font, colours, logo, intro and outro.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@DATA
def make(
    topic: str | None,
    url: str | None,
    text_file: Path | None,
    out: Path,
    duration: int,
    aspect: str,
    voice: str,
    tone: str,
    language: str,
    music: str,
    profile: str,
    platform: str,
    caption_style: str,
    brand_kit: UUID | None,
    as_json: bool,  # noqa: FBT001 - a flag
    data: Path,
) -> None:
    """Make a reel from TOPIC, a web page or a text file.

    Example:  reelwright make "Why do cats purr?" -o cats.mp4
    """
    given = {"topic": topic, "url": url, "text": _text_of(text_file)}
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) != 1:
        raise making.MakeRefused("Give exactly one of TOPIC, --url and --text.", field="TOPIC")
    making.check_output(out)
    body: dict[str, object] = {
        **chosen,
        "duration_s": duration,
        "aspect": aspect,
        "voice": voice,
        "tone": tone,
        "language": language,
        "music": music,
        "profile": profile,
        "platform": platform,
        "caption_style": caption_style,
        "brand_kit_id": brand_kit and str(brand_kit),
    }
    begun = time.monotonic()
    with endpoints(data) as api:
        made: dict[str, Any] = making.run(making.Wish(body=body, out=out, as_json=as_json), api)
    if as_json:
        click.echo(json.dumps(made))
    else:
        making.tell(made, Console(), seconds=time.monotonic() - begun)


@click.command()
@click.option("--host", envvar="REELWRIGHT_HOST", default="127.0.0.1", show_default=True, help="Or REELWRIGHT_HOST.")
@click.option("--port", envvar="PORT", type=int, default=8000, show_default=True, help="Or PORT.")
def api(host: str, port: int) -> None:
    """Serve the REST API; settings come from the environment (see .env.example)."""
    os.execv(sys.executable, [sys.executable, "-m", "reelwright.app", "--host", host, "--port", str(port)])  # noqa: S606


@click.command()
@click.option("--host", envvar="REELWRIGHT_HOST", default="127.0.0.1", show_default=True, help="Or REELWRIGHT_HOST.")
@click.option("--port", envvar="PORT", type=int, default=8001, show_default=True, help="Or PORT.")
def worker(host: str, port: int) -> None:
    """Take deliveries; settings come from the environment (see .env.example)."""
    os.execv(sys.executable, [sys.executable, "-m", "worker.app", "--host", host, "--port", str(port)])  # noqa: S606
