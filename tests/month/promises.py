"""What must be true at every day's end, judged from the rows, from Stripe's side and from the stages' own bill."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from reelwright.billing import PLANS
from reelwright.journeys import credits as books
from reelwright.journeys import invariants
from reelwright.schedules import Timing
from tests.month import told
from tests.month.month import DUE, Month
from tests.month.people import SUBSCRIBERS, Habit

_COST_WITHIN = 0.01
_CREDITS = {plan.value: terms.credits_month_micro for plan, terms in PLANS.items()}

_MOST_MONTH, _MOST_HOUR = (
    "max(CASE g.plan " + " ".join(f"WHEN '{plan}' THEN {most}" for plan, most in limits.items()) + " END)"
    for limits in (
        {plan.value: terms.generations_month for plan, terms in PLANS.items()},
        {plan.value: terms.generations_hour for plan, terms in PLANS.items()},
    )
)
# Each returns a line for each breach.
_NEVER = {
    # The mark may be behind the last row: an id that was taken and rolled back is passed, too.
    "the daily figures hold every row": """
        SELECT r.book FROM usage_rollups r WHERE r.upto < CASE r.book
            WHEN 'usage_ledger' THEN (SELECT coalesce(max(id), 0) FROM usage_ledger)
            ELSE (SELECT coalesce(max(id), 0) FROM credit_journal) END
    """,
    "figures, rows and journal have one cost and one charge": """
        SELECT format('%s <> %s, %s <> %s', kept.cost, rows.cost, kept.micro, journal.micro)
          FROM (SELECT coalesce(sum(cost_nano_usd), 0) AS cost, coalesce(sum(credits_micro), 0) AS micro
                  FROM usage_totals) kept,
               (SELECT coalesce(sum(cost_nano_usd), 0) AS cost FROM usage_ledger WHERE fence > 0) rows,
               (SELECT coalesce(sum(CASE kind WHEN 'capture' THEN amount_micro ELSE -amount_micro END), 0) AS micro
                  FROM credit_journal WHERE kind IN ('capture', 'refund')) journal
         WHERE kept.cost <> rows.cost OR kept.micro <> journal.micro
    """,
    "a demo account has no books, no notices and no credits": """
        SELECT u.email FROM users u WHERE u.demo AND (
            EXISTS (SELECT FROM usage_ledger l WHERE l.account_id = u.id)
            OR EXISTS (SELECT FROM credit_journal j WHERE j.account_id = u.id)
            OR EXISTS (SELECT FROM notices n WHERE n.account_id = u.id))
    """,
    "nobody is served more in a month than the best plan had": f"""
        SELECT g.account_id || ' ' || date_trunc('month', g.admitted_at) FROM generations g
         WHERE g.units_returned_at IS NULL
         GROUP BY g.account_id, date_trunc('month', g.admitted_at)
        HAVING sum(g.generation_units) > {_MOST_MONTH}
    """,  # noqa: S608 - constants, above
    "nobody is served more in an hour than the best plan had": f"""
        SELECT g.account_id || ' ' || date_trunc('hour', g.admitted_at) FROM generations g
         GROUP BY g.account_id, date_trunc('hour', g.admitted_at)
        HAVING sum(g.generation_units) > {_MOST_HOUR}
    """,  # noqa: S608 - constants, above
    "a calendar month is given once, and to no more than one plan's worth": f"""
        SELECT external_ref FROM (
            SELECT split_part(external_ref, ':', 3) || ':' || split_part(external_ref, ':', 4) AS external_ref,
                   sum(amount_micro) AS micro,
                   count(*) FILTER (WHERE cardinality(string_to_array(external_ref, ':')) = 4) AS whole
              FROM credit_lots WHERE origin = 'monthly' AND external_ref LIKE 'grant:plan:%' GROUP BY 1) given
         WHERE whole <> 1 OR micro <> ALL (ARRAY{list(_CREDITS.values())})
    """,  # noqa: S608 - constants, above
    "a month's credits come from a plan, a paid period or what came back": """
        SELECT external_ref FROM credit_lots WHERE origin = 'monthly' AND external_ref !~
            '^grant:(plan|invoice|returned|regrant):'
    """,
    "two months that overlap are never given beside each other": """
        SELECT a.account_id || ' ' || a.external_ref FROM credit_lots a JOIN credit_lots b
            ON b.account_id = a.account_id AND b.external_ref LIKE 'grant:invoice:%'
         WHERE date_trunc('month', b.effective_at) = date_trunc('month', a.effective_at)
           AND a.external_ref LIKE 'grant:plan:%' AND a.created_at > b.created_at
    """,
}


async def broken(month: Month, *, at_the_end: bool = False) -> list[str]:
    """Return every broken promise, a line each."""
    found = [f"{one.name}: {', '.join(one.examples)}" for one in await invariants.check(month.db)]
    audit = await books.audit(db=month.db)
    found += [f"{one.invariant}: {one.fact}" for one in audit.violations]
    for promise, query in (_NEVER | told.NEVER).items():
        found += [f"{promise}: {fact}" for fact in (await _facts(month, query))[:5]]
    found += await _cost(month)
    found += await _schedules(month)
    if at_the_end:
        found += await _paid(month) + await _stripe(month) + await _letters(month) + await _calendar(month)
    return found


async def cost_nano_usd(month: Month) -> int:
    """Return what the usage ledger says that providers cost."""
    [cost] = await _facts(month, "SELECT coalesce(sum(cost_nano_usd), 0)::bigint FROM usage_ledger WHERE fence > 0")
    return int(cost)


async def _facts(month: Month, query: str, values: dict[str, Any] | None = None) -> list[Any]:
    async with month.db.begin() as tx:
        return list(await tx.scalars(text(query), values or {}))


async def _cost(month: Month) -> list[str]:
    """Compare the ledger with the bill: to 1 % is promised."""
    ours, theirs = await cost_nano_usd(month), month.stages.bill.nano_usd
    return [f"cost: {ours} nano-USD in the ledger, {theirs} on the bill"] * (abs(ours - theirs) > theirs * _COST_WITHIN)


async def _schedules(month: Month) -> list[str]:
    """Every due time up to now has one row, and was not missed."""
    timing, now, wrong = Timing(DUE, "UTC"), month.clock.now(), list[str]()
    for schedule, since in month.schedules_since.items():
        query = "SELECT due_at FROM schedule_runs WHERE schedule_id = CAST(:id AS uuid) AND state <> 'missed'"
        ran = sorted(await _facts(month, query, {"id": schedule}))
        due, at = list[datetime](), timing.after(since)
        while at is not None and at <= now:
            due += [at.astimezone(UTC)] * (at.date() in month.lived)
            at = timing.after(at)
        [paused] = await _facts(
            month, "SELECT state <> 'active' FROM schedules WHERE id = CAST(:id AS uuid)", {"id": schedule}
        )
        ran = [one for one in ran if one.date() in month.lived]
        if ran != due[: len(ran)] or (len(ran) < len(due) and not paused):
            wrong.append(f"schedule {schedule}: {len(ran)} runs for {len(due)} due times")
    return wrong


async def _paid(month: Month) -> list[str]:
    """Every month that Stripe was paid for was given once, with what upgrades add; every pack once."""
    wrong = list[str]()
    for invoice in month.stripe.all("invoice", status="paid"):
        if invoice["billing_reason"] not in {"subscription_create", "subscription_cycle"}:
            continue
        like = {"like": f"grant:invoice:{invoice['id']}:%"}
        given = await _facts(month, "SELECT amount_micro FROM credit_lots WHERE external_ref LIKE :like", like)
        whole = await _facts(month, "SELECT plan FROM paid_periods WHERE source LIKE substr(:like, 7)", like)
        if len(whole) != 1 or sum(given) != _CREDITS[whole[0]] or not 1 <= len(given) <= len(PLANS):
            wrong.append(f"invoice {invoice['id']}: gave {given} for {whole}")
    lots = await _facts(month, "SELECT external_ref FROM credit_lots WHERE external_ref LIKE 'grant:purchase:%'")
    packs = [f"grant:purchase:checkout:{one}" for person in month.people for one in person.sessions]
    if sorted(lots) != sorted(packs):
        wrong.append(f"packs: {len(lots)} given, {len(packs)} paid")
    return wrong


async def _calendar(month: Month) -> list[str]:
    """Who never paid for a plan got every calendar month that began."""
    got = "SELECT count(*) FROM credit_lots WHERE account_id = :id AND external_ref ~ '^grant:plan:[^:]*:[0-9]*$'"
    begun = month.clock.now()
    months = begun.month  # from a January
    wrong = list[str]()
    for one in month.people:
        if one.habit is Habit.DEMO or one.habit in SUBSCRIBERS:
            continue
        [count] = await _facts(month, got, {"id": one.account.id})
        if count != months:
            wrong.append(f"{one.account.email}: {count} calendar months of {months}")
    return wrong


async def _stripe(month: Month) -> list[str]:
    """Every event that we act on has been heard, and settled."""
    bad = await _facts(month, "SELECT type || ' ' || status FROM stripe_events WHERE status NOT IN ('done', 'ignored')")
    heard = set(await _facts(month, "SELECT event_id FROM stripe_events"))
    types = set(await _facts(month, "SELECT DISTINCT type FROM stripe_events WHERE status = 'done'"))
    never = [one["type"] for one in month.stripe.events() if one["id"] not in heard and one["type"] in types]
    return [f"Stripe's event {one}" for one in bad] + [f"Stripe's event {one} never came" for one in never]


async def _letters(month: Month) -> list[str]:
    """There are as many letters as notices that were sent."""
    [sent] = await _facts(month, "SELECT count(*) FROM notices WHERE mail_state = 'sent'")
    [waits] = await _facts(month, "SELECT count(*) FROM notices WHERE mail_state = 'waiting'")
    files = len(list(month.mails.glob("*.eml")))
    return [f"letters: {files} for {sent} notices, {waits} wait"] * (files != sent or waits > 0)
