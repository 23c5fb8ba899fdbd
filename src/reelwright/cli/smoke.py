"""`reelwright smoke`: shows that a deployment works, by making a short reel there from outside: create, poll, save."""

import json
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reelwright.cli import answers
from reelwright.ground.errors import Outage, Refusal

_ORDER = {"topic": "Why do cats purr?", "duration_s": 10, "music": "none"}
_EVERY_S = 2
_ENDED = {"succeeded", "failed", "cancelled"}
_BRAND_AT = slice(4, 8)  # ISO/IEC 14496-12, 4.2: size, then the box's type


class SmokeRefused(Refusal):
    code = "smoke.refused"


@click.command()
@click.argument("base_url")
@click.option("--key", envvar="REELWRIGHT_API_KEY", help="An API key there; better as REELWRIGHT_API_KEY.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("smoke.mp4"), show_default=True)
@click.option("--within", type=int, default=600, show_default=True, help="Seconds that the reel may take.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def smoke(base_url: str, key: str | None, out: Path, within: int, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Show that a deployment works, by making a short reel there.

    Exit code 0 only where all of it worked: the order at BASE_URL, its stages, the release gate, the saved file.

    Example:  REELWRIGHT_API_KEY=rw_live_... reelwright smoke https://api.example.com
    """
    if not key:
        raise SmokeRefused("Set REELWRIGHT_API_KEY to an API key of that deployment.", field="--key")
    begun = time.monotonic()
    headers = {"Authorization": f"Bearer {key}"}
    part = out.with_name(f".{out.name}.part")
    try:
        with _told(base_url), httpx.Client(base_url=base_url, headers=headers, timeout=30, trust_env=False) as client:
            ready = _answer(client.get("/health/ready"))
            made = _made(client, within=within, console=Console(stderr=True, quiet=as_json))
            size = _saved(client, made["video"]["url"], part)
        part.replace(out)
    except OSError as error:
        raise SmokeRefused(f"{out} can't be written ({error.strerror}).", field="--out") from error
    finally:
        part.unlink(missing_ok=True)
    found: dict[str, object] = {
        "base_url": base_url,
        "checks": ready["checks"],
        "generation_id": made["id"],
        "video": str(out),
        "bytes": size,
        "gate": made["gate"]["passed"],
        "credits": made["credits"]["charged"],
        "seconds": round(time.monotonic() - begun, 1),
    }
    click.echo(json.dumps(found) if as_json else _report(found))


def _answer(response: httpx.Response) -> Any:
    return answers.good(response, refused=SmokeRefused)


@contextmanager
def _told(base_url: str) -> Generator[None]:
    """Say what is wrong with the address rather than what httpx thinks of it. Raises SmokeRefused, Outage."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise SmokeRefused("Give the base address, such as https://api.example.com.", field="BASE_URL") from None
    except httpx.TransportError as away:
        raise Outage(f"{base_url} does not answer ({type(away).__name__}).") from away


def _made(client: httpx.Client, *, within: int, console: Console) -> dict[str, Any]:
    """Order the reel and look at it until it has ended. Raises SmokeRefused, Outage."""
    keyed = {"Idempotency-Key": f"smoke-{secrets.token_hex(12)}"}
    accepted = _answer(client.post("/v1/create", json=_ORDER, headers=keyed))
    place, deadline = f"/v1/generations/{accepted['generation_id']}", time.monotonic() + within
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=1.0)
        while True:
            shown: dict[str, Any] = _answer(client.get(place))
            stages: list[dict[str, Any]] = shown["stages"]
            under_way = next((s for s in stages if s["status"] not in _ENDED), None)
            done = sum(s["progress"] for s in stages) / max(9, len(stages))
            progress.update(bar, completed=done, description=under_way["stage"] if under_way else shown["status"])
            if shown["status"] == "succeeded":
                progress.update(bar, completed=1.0)
                return shown
            if shown["status"] in _ENDED:
                failure = shown["failure"] or {"code": shown["status"], "detail": f"The reel was {shown['status']}."}
                raise SmokeRefused(failure["detail"], code=failure["code"])
            if time.monotonic() > deadline:
                raise Outage(f"{place} has not ended after {within} s: it is {shown['status']}.")
            time.sleep(_EVERY_S)


def _saved(client: httpx.Client, url: str, part: Path) -> int:
    """Save the video and return its size in bytes. Raises SmokeRefused where it is no MP4."""
    beginning, size = b"", 0
    with client.stream("GET", url) as answer, part.open("wb") as file:
        if not answer.is_success:
            answer.read()
            _answer(answer)
        for block in answer.iter_bytes(1 << 20):
            beginning = beginning or block[:12]
            size += file.write(block)
    if beginning[_BRAND_AT] != b"ftyp":
        raise SmokeRefused("What was delivered is not an MP4 file.", code="smoke.no_video")
    return size


def _report(found: dict[str, object]) -> str:
    return (
        f"{found['base_url']} works: {found['video']}, {found['bytes']} bytes, made in {found['seconds']} s"
        f" for {found['credits']} credits; release gate {'passed' if found['gate'] else 'failed'}."
    )
