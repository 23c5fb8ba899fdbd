"""`reelwright schedules`: reels that make themselves at their times, over the real HTTP API."""

import json
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import httpx
import rich_click as click
from rich.console import Console
from rich.table import Table

from reelwright.cli import answers
from reelwright.ground.errors import Outage, Refusal


class Api(Protocol):
    """Where the API is, and the key to it."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_key(self) -> str: ...


Reach = Callable[[Path], AbstractContextManager[Api]]
"""Gives the API of the Reelwright that runs on a data folder, or of one that runs as long as the command does."""

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
_ID = click.argument("id", type=click.UUID)
STYLES = ("classic", "box", "karaoke", "pop", "subtitle")
PROFILES = ("normal", "fast", "preview")


class ScheduleRefused(Refusal):
    code = "schedule.refused"


def group(reach: Reach, data: Callable[[Any], Any]) -> click.RichGroup:
    """Return the commands. `reach` finds the API, `data` is the option that says whose."""

    @click.group("schedules", cls=click.RichGroup)
    def commands() -> None:
        """Reels that make themselves at their times, while `reelwright dev` runs.

        Start here:  reelwright schedules create "Daily fact" --cron "0 9 * * *" --template "Fact of {date}"
        """

    @commands.command("list")
    @_JSON
    @data
    def list_(as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """List your schedules, newest first."""
        found: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"limit": 100}
        while asked.get("cursor", "") is not None:
            page = _asked(reach, data, "GET", "/v1/schedules", params=asked)
            found += page["schedules"]
            asked["cursor"] = page["next_cursor"]
        _print_json({"schedules": found}) if as_json else _table(found)

    @commands.command("runs")
    @_ID
    @click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
    @_JSON
    @data
    def runs(id: UUID, limit: int, as_json: bool, data: Path) -> None:  # noqa: A002, FBT001 - the argument's name, and a flag
        """List what came of a schedule's due times, the latest first."""
        found = _asked(reach, data, "GET", f"/v1/schedules/{id}/runs", params={"limit": limit})
        _print_json(found) if as_json else _runs(found["runs"])

    _add_changes(commands, reach, data)
    _add_create(commands, reach, data)
    return commands


def _add_changes(commands: click.RichGroup, reach: Reach, data: Callable[[Any], Any]) -> None:
    """Give the group what is done to one schedule."""

    @commands.command("pause")
    @_ID
    @_JSON
    @data
    def pause(id: UUID, as_json: bool, data: Path) -> None:  # noqa: A002, FBT001 - the argument's name, and a flag
        """Start nothing more until it is resumed."""
        _tell(_asked(reach, data, "POST", f"/v1/schedules/{id}/pause"), as_json=as_json)

    @commands.command("resume")
    @_ID
    @_JSON
    @data
    def resume(id: UUID, as_json: bool, data: Path) -> None:  # noqa: A002, FBT001 - the argument's name, and a flag
        """Run again from the next due time on."""
        _tell(_asked(reach, data, "POST", f"/v1/schedules/{id}/resume"), as_json=as_json)

    @commands.command("delete")
    @_ID
    @_JSON
    @data
    def delete(id: UUID, as_json: bool, data: Path) -> None:  # noqa: A002, FBT001 - the argument's name, and a flag
        """Delete it; reels that it has started go on."""
        _asked(reach, data, "DELETE", f"/v1/schedules/{id}")
        _print_json({"deleted": str(id)}) if as_json else click.echo(f"{id}: deleted")


def _add_create(commands: click.RichGroup, reach: Reach, data: Callable[[Any], Any]) -> None:
    """Give the group its one command that makes a schedule."""

    @commands.command("create")
    @click.argument("name")
    @click.option("--cron", required=True, help='Minute, hour, day of month, month, day of week: "0 9 * * MON-FRI".')
    @click.option("--timezone", default="UTC", show_default=True, help="A name such as Europe/Berlin.")
    @click.option("--topic", "topics", multiple=True, help="A topic; give several, they are made in order.")
    @click.option("--repeat", is_flag=True, help="With --topic: begin again after the last.")
    @click.option("--template", help="A topic with {date}, {weekday}, {day}, {month}, {year}, {week} or {number}.")
    @click.option("--feed", help="An RSS or Atom feed: each run makes its newest entry.")
    @click.option("--missed", type=click.Choice(["skip", "catch_up_one"]), default="skip", show_default=True)
    @click.option("--runs-month", type=click.IntRange(1, 10_000), help="The most runs in a calendar month.")
    @click.option("--credits-month", type=float, help="The most credits in a calendar month.")
    @click.option("--duration", type=int, default=30, show_default=True, help="Seconds, 10 to 180.")
    @click.option("--captions", type=click.Choice(STYLES), default="classic", show_default=True, help="Their style.")
    @click.option("--brand-kit", type=click.UUID, help="A brand kit's id: its fonts, colours, logo, intro and outro.")
    @click.option("--profile", type=click.Choice(PROFILES), default="normal", show_default=True)
    @_JSON
    @data
    def create(**given: Any) -> None:
        """Make reels by themselves, each time the schedule is due."""
        body = {
            "name": given["name"],
            "cron": given["cron"],
            "timezone": given["timezone"],
            "source": _source(given),
            "make": {
                "duration_s": given["duration"],
                "caption_style": given["captions"],
                "brand_kit_id": given["brand_kit"] and str(given["brand_kit"]),
                "profile": given["profile"],
            },
            "missed": given["missed"],
            "budget": {"runs_month": given["runs_month"], "credits_month": given["credits_month"]},
        }
        headers = {"Idempotency-Key": secrets.token_urlsafe(18)}
        made = _asked(reach, given["data"], "POST", "/v1/schedules", json=body, headers=headers)
        _tell(made, as_json=given["as_json"])


def _source(given: dict[str, Any]) -> dict[str, Any]:
    """Return the one source that was given. Raises ScheduleRefused."""
    named = {
        "list": given["topics"] and {"topics": given["topics"], "repeat": given["repeat"]},
        "template": given["template"] and {"template": given["template"]},
        "rss": given["feed"] and {"url": given["feed"]},
    }
    chosen = [{"kind": kind, **source} for kind, source in named.items() if source]
    if len(chosen) != 1:
        raise ScheduleRefused("Give exactly one of --topic, --template and --feed.", field="--topic")
    return chosen[0]


def _asked(reach: Reach, data: Path, method: str, path: str, **more: Any) -> Any:
    """Ask the API and return what it answers. Raises ScheduleRefused and Outage with the API's own sentence."""
    with reach(data) as api:
        known = {"Authorization": f"Bearer {api.api_key}"} | more.pop("headers", {})
        with httpx.Client(base_url=api.base_url, headers=known, timeout=30, trust_env=False) as client:
            try:
                answer = client.request(method, path, **more)
            except httpx.TransportError as away:
                raise Outage("The API does not answer: try again soon.") from away
    return answers.good(answer, refused=ScheduleRefused)


def _tell(schedule: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(schedule)
        return
    due = f", due next {_minute(schedule['next_due_at'])}" if schedule["next_due_at"] else ""
    click.echo(f"{schedule['id']}: {schedule['name']}, {schedule['status']}{due}")


def _table(schedules: list[dict[str, Any]]) -> None:
    if not schedules:
        click.echo("There are no schedules: make one with `reelwright schedules create`.")
        return
    table = Table(show_edge=False)
    table.add_column("id", no_wrap=True, min_width=36)
    for title in ("schedule", "due next (UTC)", "runs"):
        table.add_column(title)
    for one in schedules:
        counted, due = one["statistics"], _minute(one["next_due_at"]) or one["status"]
        bad = counted["failed"] + counted["refused"]
        runs = f"{counted['started']}" + (f", {bad} failed" if bad else "")
        table.add_row(one["id"], f"{one['name']}\n{one['cron']} {one['timezone']}", due, runs)
    Console().print(table)
    for one in schedules:
        if one["paused"]:
            click.echo(f"{one['id']}: {one['paused']['detail']}")


def _runs(runs: list[dict[str, Any]]) -> None:
    if not runs:
        click.echo("It hasn't been due yet.")
        return
    table = Table("due (UTC)", "status", "credits", show_edge=False)
    table.add_column("topic or reason, generation", min_width=36)
    for run in runs:
        about = [line for line in (run["detail"] or run["topic"], run["generation_id"]) if line]
        cost = run["price"] if run["charged"] is None else run["charged"]
        table.add_row(_minute(run["due_at"]), run["status"], "" if cost is None else f"{cost:g}", "\n".join(about))
    Console().print(table)


def _minute(instant: str | None) -> str:
    """Return an instant of the API to the minute."""
    return instant[:16].replace("T", " ") if instant else ""


def _print_json(value: object) -> None:
    click.echo(json.dumps(value))
