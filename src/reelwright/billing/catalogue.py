"""What work costs: the price list in force, the quote before the work and the price of what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from uuid import UUID

import asyncpg
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Statement, rows

PRICED_BY = """
    (SELECT version || ':' || xmin FROM price_versions WHERE effective_from <= now()
      ORDER BY effective_from DESC, version DESC LIMIT 1)
"""
"""What names the list that prices new work, for a statement that reads more and `Catalogue.named`."""
_CURRENT = Statement(f"SELECT {PRICED_BY} AS name")
_AT = Statement("SELECT version, action, unit_micro FROM action_costs WHERE version = :version")
_LISTS = """
    SELECT v.version, v.effective_from, v.note, v.actor, action, unit_micro
      FROM (SELECT * FROM price_versions WHERE {which}) AS v JOIN action_costs c ON c.version = v.version
     ORDER BY v.effective_from DESC, v.version DESC, action
"""
_PAGE = text(
    _LISTS.format(
        which="""
        (effective_from, version) <
            (CASE WHEN CAST(:after AS integer) IS NULL THEN 'infinity'
                  ELSE (SELECT last.effective_from FROM price_versions last WHERE last.version = :after) END,
             coalesce(:after, 0))
        ORDER BY effective_from DESC, version DESC LIMIT :limit"""
    )
)
_OF_SOURCE = text(_LISTS.format(which="source = :source"))
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('price lists', 0))")
_ADD = text(
    """
    INSERT INTO price_versions (version, effective_from, note, source, actor)
    SELECT max(version) + 1, coalesce(CAST(:effective_from AS timestamptz), now()), :note, :source, :actor
      FROM price_versions
    RETURNING version, effective_from
    """
)
_COPY = text(
    """
    INSERT INTO action_costs (version, action, unit_micro)
    SELECT :version, action, unit_micro FROM action_costs
     WHERE version = (SELECT version FROM price_versions WHERE version <> :version AND effective_from <= :effective_from
                       ORDER BY effective_from DESC, version DESC LIMIT 1)
    """
)
_CHANGE = text(
    """
    INSERT INTO action_costs (version, action, unit_micro) VALUES (:version, :action, :micro)
    ON CONFLICT (version, action) DO UPDATE SET unit_micro = excluded.unit_micro
    """
)
_CARRY = text(
    """
    WITH waiting AS (
        UPDATE action_costs c SET unit_micro = :micro
          FROM price_versions v, action_costs before
         WHERE v.version = c.version AND v.effective_from > greatest(:effective_from, now()) AND c.action = :action
           AND before.version = :version AND before.action = c.action AND c.unit_micro = before.unit_micro
        RETURNING c.version)
    UPDATE price_versions SET note = note WHERE version IN (SELECT version FROM waiting)
    """
)
"""The second part gives a list another name, should somebody have read it just as it came into force."""

# The most that metering can reach. A scene's picture is paid once, later tries are ours. Milliseconds: the release gate
# lets a reel exceed its target by a tenth. Characters: 180 words a minute of 7, space included, are 21 a second.
_OVERRUN_PERCENT = 110
_CHARACTERS_A_SECOND = 22
_KNOWN: Mapping[str, Action] = {action.value: action for action in Action}


class OrderKind(StrEnum):
    """What is quoted: the text only, everything, everything but the text, or one part's words, picture or voice."""

    SCRIPT = "script"
    VIDEO = "video"
    RENDER = "render"
    REWRITE = "rewrite"
    PICTURE = "picture"
    VOICE = "voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What is still to be made, where some was made and paid for before: the most it can be, of each kind.

    `mixed`: sound and music are there. `render_ms` is None where nobody knows yet.
    """

    images: int = 0
    checks: int = 0
    characters: int = 0
    mixed: bool = False
    render_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedOrder:
    """What decides a price. `scenes` is the number of pictures of the one variant that is rendered.

    `scheduled`: a schedule ordered it. `preview`: what is rendered is small. `rest` is what a render has left to make,
    or what a voice says.
    """

    kind: OrderKind
    duration_s: int
    scenes: int
    variants: int = 1
    scheduled: bool = False
    preview: bool = False
    rest: Rest | None = None


@dataclass(frozen=True, slots=True)
class PriceList:
    """One numbered price list: micro-credits for one unit of each action."""

    version: int
    costs: Mapping[Action, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedList:
    """A price list with its history. `costs` has every action of the table, those that this code doesn't know too."""

    version: int
    effective_from: datetime
    note: str
    actor: UUID | None
    costs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote, in the action's units and in micro-credits."""

    action: Action
    quantity: int
    micro: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order costs at most, in micro-credits, by line and by price list."""

    version: int
    lines: tuple[Line, ...]
    total_micro: int


_MOST_READ = 32
_read: dict[str, PriceList] = {}
"""The lists that this process has read, by what `PRICED_BY` calls them."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Price lists, inside one transaction. They are only ever added to: running work keeps its own."""

    session: AsyncConnection

    async def current(self) -> PriceList:
        """Return the list that prices new work. Raises LookupError where none is in force."""
        [row] = await rows(self.session, _CURRENT, {})
        return await self.named(row["name"])

    async def named(self, name: str | None) -> PriceList:
        """Return the list that `PRICED_BY` has named, from memory where it was read before: a list never changes.

        The name tells lists of one number in two databases apart, too. Raises LookupError where none is in force.
        """
        if name is None:
            raise LookupError("there is no such price list")
        if (known := _read.get(name)) is None:
            if len(_read) >= _MOST_READ:
                _read.clear()
            known = _read[name] = await self.at(int(name.partition(":")[0]))
        return known

    async def at(self, version: int) -> PriceList:
        """Return the list that running work was quoted by. Raises LookupError."""
        return self._list(await rows(self.session, _AT, {"version": version}))

    async def lists(self, *, limit: int, after: int | None = None) -> list[PublishedList]:
        """Return so many lists, the one that comes into force last first, from behind the one of this version."""
        return await self._published(_PAGE, {"after": after, "limit": limit})

    async def from_source(self, source: str) -> PublishedList | None:
        """Return the list that was added for this source, None where there is none."""
        return next(iter(await self._published(_OF_SOURCE, {"source": source})), None)

    async def _published(self, statement: TextClause, values: Mapping[str, object]) -> list[PublishedList]:
        rows = (await self.session.execute(statement, values)).all()
        return [
            PublishedList(
                version=version,
                effective_from=rows[0].effective_from,
                note=rows[0].note,
                actor=rows[0].actor,
                costs={row.action: row.unit_micro for row in rows},
            )
            for version, rows in ((version, list(group)) for version, group in groupby(rows, lambda row: row.version))
        ]

    async def publish(
        self, changes: Mapping[Action, int], *, source: str, actor: UUID, note: str, effective_from: datetime | None
    ) -> PublishedList:
        """Add a list: the one in force at that instant (now) with these prices changed. Once a source.

        Lists that wait to come into force later get the new prices too, where they had the price as it was until then:
        they would undo the change else. A repeat returns what was added then; compare it.
        """
        await self.session.execute(_ONE_AT_A_TIME)
        if (found := await self.from_source(source)) is not None:
            return found
        values = {"effective_from": effective_from, "note": note, "source": source, "actor": actor}
        added = (await self.session.execute(_ADD, values)).one()
        values = {"version": added.version, "effective_from": added.effective_from}
        await self.session.execute(_COPY, values)
        rows = [values | {"action": name.value, "micro": micro} for name, micro in changes.items()]
        await self.session.execute(_CARRY, rows)
        await self.session.execute(_CHANGE, rows)
        [published] = await self._published(_OF_SOURCE, {"source": source})
        return published

    @staticmethod
    def _list(found: Sequence[asyncpg.Record]) -> PriceList:
        if not found:
            raise LookupError("there is no such price list")
        costs = {Action(row["action"]): row["unit_micro"] for row in found if row["action"] in _KNOWN}
        return PriceList(version=found[0]["version"], costs=costs)


def quote(order: PricedOrder, prices: PriceList) -> Quote:
    """Return what the order can cost at most: what is held, and never less than what will be metered."""
    quantities = _quantities(order)
    if order.preview and Action.RENDER in quantities:
        quantities[Action.PREVIEW] = quantities.pop(Action.RENDER)
    lines = tuple(Line(action, n, n * prices.costs[action]) for action, n in quantities.items())
    return Quote(version=prices.version, lines=lines, total_micro=sum(line.micro for line in lines))


def _quantities(order: PricedOrder) -> dict[Action, int]:
    if order.kind is OrderKind.REWRITE:
        return {Action.REWRITE: 1}
    if order.kind is OrderKind.PICTURE:
        return {Action.IMAGE: 1, Action.VISION_CHECK: 1}
    if order.kind is OrderKind.VOICE:
        return {Action.SPEECH: order.rest.characters if order.rest else 0}
    if order.kind is OrderKind.RENDER and order.rest is not None:
        return _left(order, order.rest)
    quantities: dict[Action, int] = {}
    if order.kind is not OrderKind.RENDER:
        quantities |= {Action.INGESTION: 1, Action.STORY: order.variants}
        if order.scheduled:
            quantities[Action.SCHEDULED_RUN] = 1
    if order.kind is not OrderKind.SCRIPT:
        most_ms = _most_ms(order)
        quantities |= {
            Action.IMAGE: order.scenes,
            Action.VISION_CHECK: order.scenes,
            Action.SPEECH: order.duration_s * _CHARACTERS_A_SECOND,
            Action.MUSIC: most_ms,
            Action.MIX: most_ms,
            Action.RENDER: most_ms,
        }
    return quantities


def _most_ms(order: PricedOrder) -> int:
    return order.duration_s * 1000 * _OVERRUN_PERCENT // 100


def _left(order: PricedOrder, rest: Rest) -> dict[Action, int]:
    """Return what is left of a render, without what isn't."""
    most_ms = _most_ms(order)
    sound_ms = 0 if rest.mixed else most_ms
    quantities = {
        Action.IMAGE: rest.images,
        Action.VISION_CHECK: rest.checks,
        Action.SPEECH: min(rest.characters, order.duration_s * _CHARACTERS_A_SECOND),
        Action.MUSIC: sound_ms,
        Action.MIX: sound_ms,
        Action.RENDER: most_ms if rest.render_ms is None else rest.render_ms,
    }
    return {action: quantity for action, quantity in quantities.items() if quantity}


def priced(use: Use, prices: PriceList) -> int:
    """Return what one metered step costs, in micro-credits."""
    return use.quantity * prices.costs[use.action]
