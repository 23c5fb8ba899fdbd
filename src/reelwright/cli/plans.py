"""`reelwright admin plan` and `boosts`: what somebody is served by, seen and changed, as over REST."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import rich_click as click
import structlog
from rich.console import Console
from rich.table import Table

from reelwright.accounts import Account, Boost
from reelwright.admission import Gate
from reelwright.billing import BOOST_DAYS, MICRO, Plan, effective_plan
from reelwright.cli.admin import new_idempotency_key
from reelwright.ground import clock, log, postgres
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import fresh
from reelwright.ground.postgres import Database
from reelwright.journeys import administration, plans
from reelwright.journeys.administration import Dossier

T = TypeVar("T")
_MOST_DAYS = 366
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
_AS = click.option(
    "--as",
    "operator",
    envvar="REELWRIGHT_ADMIN",
    metavar="EMAIL",
    help="Which administrator does it, for the audit; or REELWRIGHT_ADMIN. Not needed where there is only one.",
)


@dataclass(frozen=True, slots=True)
class Servers:
    """The database that is meant, and how to open the gate of its API, which hears of what changes."""

    database_url: str
    gate: Callable[[Database], Gate]


@dataclass(frozen=True, slots=True)
class _Desk:
    db: Database
    gate: Gate


Reach = Callable[[Path], AbstractContextManager[Servers]]


def groups(reach: Reach, data: Callable[[Any], Any]) -> list[click.RichGroup]:
    """Return both groups. `reach` finds the servers, `data` is the option that says whose."""
    return [_plan(reach, data), _boosts(reach, data)]


def _plan(reach: Reach, data: Callable[[Any], Any]) -> click.RichGroup:
    @click.group("plan", cls=click.RichGroup)
    def commands() -> None:
        """See and set which plan an account holds.

        Start here:  reelwright admin plan show ada@example.com
        """

    @commands.command("show")
    @click.argument("user")
    @_JSON
    @data
    def show(user: str, as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """Show the plan of USER (an e-mail address or an id), what pays for it, boosts and credits.

        Example:  reelwright admin plan show ada@example.com --json
        """
        found = _run(reach, data, lambda desk: _dossier(user, desk))
        click.echo(json.dumps(_details(found))) if as_json else _tell(found)

    @commands.command("set")
    @click.argument("user")
    @click.argument("plan", type=click.Choice([plan.value for plan in Plan]))
    @_AS
    @_JSON
    @data
    def set_(user: str, plan: str, operator: str | None, as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """Give USER (an e-mail address or an id) another plan at once, with the credits that it brings this month.

        What was used stays used. Refused where a subscription decides the plan. A repeat changes nothing.

        Example:  reelwright admin plan set ada@example.com standard
        """
        before, after = _run(reach, data, lambda desk: _set(user, Plan(plan), operator, desk))
        if as_json:
            click.echo(json.dumps(_user_plan(after.account)))
            return
        given = after.balance.available_micro - before.balance.available_micro
        change = f"is on {plan} already" if before.account.plan == plan else f"{before.account.plan} → {plan}"
        more = f", {_credits(given)} credits given" if given > 0 else ""
        click.echo(f"{after.account.email}: {change}{more}; has {_credits(after.balance.available_micro)} credits.")

    return commands


def _boosts(reach: Reach, data: Callable[[Any], Any]) -> click.RichGroup:
    @click.group("boosts", cls=click.RichGroup)
    def commands() -> None:
        """See, grant and take back boosts: days during which an account is served as Pro.

        Start here:  reelwright admin boosts list ada@example.com
        """

    @commands.command("list")
    @click.argument("user")
    @_JSON
    @data
    def list_(user: str, as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """List every boost of USER (an e-mail address or an id), the earliest first, with the ids to revoke them by.

        Example:  reelwright admin boosts list ada@example.com
        """
        found = _run(reach, data, lambda desk: _dossier(user, desk))
        if as_json:
            click.echo(json.dumps({"boosts": _details(found)["boosts"]}))
        else:
            _table(found)

    _add_changes(commands, reach, data)
    return commands


def _add_changes(commands: click.RichGroup, reach: Reach, data: Callable[[Any], Any]) -> None:
    """Give the group what changes something."""

    @commands.command("grant")
    @click.argument("user")
    @click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=BOOST_DAYS, show_default=True)
    @click.option("--key", help="An idempotency key: what it has granted before, here or over REST, isn't again.")
    @_AS
    @_JSON
    @data
    def grant(user: str, days: int, key: str | None, operator: str | None, as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """Serve USER (an e-mail address or an id) as Pro for some days, after any boost it has.

        Without --key, each call grants one more. A boost lifts the limits and brings no credits.

        Example:  reelwright admin boosts grant ada@example.com --days 7 --key sorry-for-tuesday
        """
        made = _run(reach, data, lambda desk: _grant(user, days, key or new_idempotency_key(), operator, desk))
        if as_json:
            click.echo(json.dumps(_user_plan(made.account)))
            return
        said = "this key had granted it before, nothing is changed" if made.repeated else f"boosted for {days} days"
        click.echo(f"{made.account.email}: {said}; {_until(made.account)}.")

    @commands.command("revoke")
    @click.argument("user")
    @click.argument("boost", type=click.UUID)
    @_AS
    @_JSON
    @data
    def revoke(user: str, boost: UUID, operator: str | None, as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """Take back what is left of BOOST (an id from `list`); those behind it begin earlier. A repeat changes nothing.

        Example:  reelwright admin boosts revoke ada@example.com 0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b
        """
        before, account = _run(reach, data, lambda desk: _revoke(user, boost, operator, desk))
        if as_json:
            click.echo(json.dumps(_user_plan(account)))
            return
        same = account.plan_version == before.plan_version
        said = "nothing was left of this boost, nothing is changed" if same else "the rest of this boost is taken back"
        click.echo(f"{account.email}: {said}; {_until(account)}.")


async def _dossier(user: str, desk: _Desk) -> Dossier:
    account = await administration.named(user, db=desk.db)
    return await administration.user(account.id, by=None, db=desk.db, now=clock.now())


async def _set(user: str, plan: Plan, operator: str | None, desk: _Desk) -> tuple[Dossier, Dossier]:
    by = await administration.operator(operator, db=desk.db)
    before = await _dossier(user, desk)
    account_id = before.account.id
    await administration.set_plan(account_id, plan, by=by, db=desk.db, gate=desk.gate, now=clock.now())
    return before, await administration.user(account_id, by=by, db=desk.db, now=clock.now())


async def _grant(user: str, days: int, key: str, operator: str | None, desk: _Desk) -> administration.Boosted:
    by = await administration.operator(operator, db=desk.db)
    account = await administration.named(user, db=desk.db)
    source = f"admin:{key}"  # as over REST: one key boosts once, by whichever way it comes
    return await administration.grant_boost(account.id, source=source, days=days, by=by, db=desk.db, gate=desk.gate)


async def _revoke(user: str, boost: UUID, operator: str | None, desk: _Desk) -> tuple[Account, Account]:
    by = await administration.operator(operator, db=desk.db)
    before = await administration.named(user, db=desk.db)
    try:
        after = await plans.revoke_boost(before.id, boost_id=boost, by=by, db=desk.db, gate=desk.gate)
    except NotFound as unknown:
        raise NotFound(
            f"{before.email} has no such boost: `reelwright admin boosts list {before.email}` shows the ids.",
            field="BOOST",
            code=unknown.code,
        ) from unknown
    return before, after


def _user_plan(account: Account) -> Mapping[str, Any]:
    """Return what REST answers to a change."""
    until = account.boost_until
    said = {
        "user_id": account.id,
        "plan": account.plan,
        "effective_plan": effective_plan(account.plan, until, clock.now()),
        "boost_until": until,
    }
    found: Mapping[str, Any] = msgspec.to_builtins(said)
    return found


def _details(found: Dossier) -> Mapping[str, Any]:
    """Return what REST answers to who reads an account, without what Stripe calls its subscriptions' customer."""
    now = clock.now()
    said = {
        "user": {"email": found.account.email, **_user_plan(found.account)},
        "subscriptions": [
            {"id": told.external_id, "plan": told.plan, "status": told.status, "live": told.live(now)}
            | {"period_end": told.period_end, "cancel_at_period_end": told.cancel_at_period_end}
            | {"next_plan": told.next_plan}
            for told in found.subscriptions
        ],
        "boosts": [
            {"id": one.id, "source": one.source, "starts_at": one.starts_at, "ends_at": one.ends_at}
            | {"revoked_at": one.revoked_at}
            for one in found.boosts
        ],
        "balance": found.balance.available_micro / MICRO,
        "held": found.balance.held_micro / MICRO,
        "debt": found.balance.debt_micro / MICRO,
        "monthly_allowance": found.allowance.micro / MICRO,
        "next_reset": found.allowance.period.end,
    }
    read: Mapping[str, Any] = msgspec.to_builtins(said)
    return read


def _tell(found: Dossier) -> None:
    now = clock.now()
    live = [one for one in found.subscriptions if one.live(now)]
    paid = [f"{one.external_id}, {one.plan}, paid until {_at(one.period_end)}" for one in live]
    facts = {
        "account": f"{found.account.email} ({found.account.id})",
        "plan": found.account.plan,
        "served by": _until(found.account),
        "pays for it": "; ".join(paid) or "nothing: it was given by hand",
        "credits": f"{_credits(found.balance.available_micro)}, and {_credits(found.balance.held_micro)} held",
        "each month": f"{_credits(found.allowance.micro)}, next on {_at(found.allowance.period.end)}",
    }
    for name, value in facts.items():
        Console().print(f"[bold]{name:<13}[/bold]{value}", soft_wrap=True, highlight=False)


def _table(found: Dossier) -> None:
    if not found.boosts:
        click.echo(f"{found.account.email} has had no boost: `reelwright admin boosts grant` gives one.")
        return
    table = Table("from", "until", "state", "source", show_edge=False)
    table.add_column("id", no_wrap=True, min_width=36)
    for one in found.boosts:
        table.add_row(_at(one.starts_at), _at(one.ends_at), _state(one), one.source or "", str(one.id))
    Console().print(table)


def _state(boost: Boost) -> str:
    now = clock.now()
    if boost.revoked_at is not None:
        return "revoked"
    return "over" if boost.ends_at <= now else "waits" if boost.starts_at > now else "active"


def _until(account: Account) -> str:
    if account.boost_until is None:
        return f"served as {account.plan}"
    return (
        f"served as {effective_plan(account.plan, account.boost_until, clock.now())} until {_at(account.boost_until)}"
    )


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _credits(micro: int) -> str:
    return f"{micro / MICRO:,.0f}"


def _run(reach: Reach, data: Path, work: Callable[[_Desk], Coroutine[Any, Any, T]]) -> T:
    """Do the work on the servers that are meant; who did what goes to the log, on standard error."""
    with reach(data) as servers:
        log.configure(as_json=False)
        with structlog.contextvars.bound_contextvars(request_id=f"cli:{fresh()}"):
            return asyncio.run(_connected(servers, work))


async def _connected(servers: Servers, work: Callable[[_Desk], Coroutine[Any, Any, T]]) -> T:
    db = postgres.connect(servers.database_url, name="reelwright-cli", pool_size=2)
    gate = servers.gate(db)
    try:
        return await work(_Desk(db, gate))
    finally:
        await gate.close()
        await db.close()
