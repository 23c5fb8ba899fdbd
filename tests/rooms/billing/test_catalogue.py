"""Quotes are exact, versioned and never less than what can be metered."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from reelwright import billing
from reelwright.billing import MICRO, Catalogue, OrderKind, PricedOrder, PriceList
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database

PRICES = PriceList(version=7, costs={action: n for n, action in enumerate(Action, start=1)})


def credits_of(quote: billing.Quote) -> float:
    return quote.total_micro / MICRO


async def test_the_first_price_list_prices_every_action_and_the_usual_reels_sensibly(db: Database) -> None:
    """Basic: 1,500 credits a month for 60 generations, so that a 30 s reel has to cost well under 25."""
    async with db.begin() as tx:
        prices = await Catalogue(session=tx).current()
        assert await Catalogue(session=tx).at(1) == prices
    assert prices.version == 1
    assert set(prices.costs) == set(Action)
    half = billing.quote(PricedOrder(kind=OrderKind.VIDEO, duration_s=30, scenes=6), prices)
    whole = billing.quote(PricedOrder(kind=OrderKind.VIDEO, duration_s=60, scenes=12), prices)
    assert (credits_of(half), credits_of(whole)) == (pytest.approx(20, abs=1.5), pytest.approx(35, abs=1.5))


async def test_the_newest_list_in_force_prices_new_work_and_old_work_keeps_its_own(db: Database) -> None:
    async with db.begin() as tx:
        for version, days in ((90, -1), (91, 1)):
            await tx.execute(
                text("INSERT INTO price_versions (version, effective_from) VALUES (:v, now() + :d * interval '1 day')"),
                {"v": version, "d": days},
            )
            await tx.execute(
                text("INSERT INTO action_costs SELECT :v, action, unit_micro * 2 FROM action_costs WHERE version = 1"),
                {"v": version},
            )
        repository = Catalogue(session=tx)
        new, old = await repository.current(), await repository.at(1)
        with pytest.raises(LookupError):
            await repository.at(5)
        await tx.rollback()
    assert new.version == 90
    assert new.costs[Action.IMAGE] == 2 * old.costs[Action.IMAGE]


async def test_a_list_that_waits_undoes_no_change_that_was_made_meanwhile(db: Database) -> None:
    """Nor one that waits behind it; what it changes itself stays, and what was in force before stays as it was."""
    week, actor = timedelta(days=7), uuid4()
    async with db.begin() as tx:
        catalogue = Catalogue(session=tx)
        first = await catalogue.current()
        now = await tx.scalar(text("SELECT now()"))

        async def publish(changes: dict[Action, int], at: datetime | None) -> int:
            source = str(uuid4())
            return (await catalogue.publish(changes, source=source, actor=actor, note="", effective_from=at)).version

        dearer = await publish({Action.IMAGE: 9}, now + week)
        last = await publish({Action.RENDER: 3}, now + 2 * week)
        today = await publish({Action.STORY: 7, Action.IMAGE: 5}, None)
        told = {}
        for version in (first.version, today, dearer, last):
            costs = (await catalogue.at(version)).costs
            told[version] = costs[Action.IMAGE], costs[Action.STORY], costs[Action.RENDER]
        await tx.rollback()
    image, story, render = (first.costs[action] for action in (Action.IMAGE, Action.STORY, Action.RENDER))
    assert told == {
        first.version: (image, story, render),
        today: (5, 7, render),
        dearer: (9, 7, render),
        last: (9, 7, 3),
    }


def test_a_quote_adds_up_line_by_line() -> None:
    quote = billing.quote(PricedOrder(kind=OrderKind.VIDEO, duration_s=10, scenes=3, variants=2), PRICES)
    assert {line.action: line.quantity for line in quote.lines} == {
        Action.INGESTION: 1, Action.STORY: 2, Action.IMAGE: 3, Action.VISION_CHECK: 3, Action.SPEECH: 220,
        Action.MUSIC: 11_000, Action.MIX: 11_000, Action.RENDER: 11_000,
    }  # fmt: skip
    assert all(line.micro == line.quantity * PRICES.costs[line.action] for line in quote.lines)
    assert quote.total_micro == sum(line.micro for line in quote.lines)
    assert quote.version == 7


@given(duration=st.integers(1, 600), scenes=st.integers(1, 60), variants=st.integers(1, 5))
def test_text_and_pictures_together_cost_what_the_whole_costs(duration: int, scenes: int, variants: int) -> None:
    def total(kind: OrderKind) -> int:
        order = PricedOrder(kind=kind, duration_s=duration, scenes=scenes, variants=variants)
        return billing.quote(order, PRICES).total_micro

    assert total(OrderKind.SCRIPT) + total(OrderKind.RENDER) == total(OrderKind.VIDEO)


def test_what_was_done_costs_quantity_times_price() -> None:
    use = Use(action=Action.SPEECH, provider="offline", model="m", quantity=300)
    assert billing.priced(use, PRICES) == 300 * PRICES.costs[Action.SPEECH]


@pytest.mark.parametrize(
    ("kind", "quantities"),
    [(OrderKind.REWRITE, {Action.REWRITE: 1}), (OrderKind.PICTURE, {Action.IMAGE: 1, Action.VISION_CHECK: 1})],
)
def test_a_part_costs_the_same_whatever_it_is_a_part_of(kind: OrderKind, quantities: dict[Action, int]) -> None:
    small = billing.quote(PricedOrder(kind=kind, duration_s=10, scenes=3), PRICES)
    large = billing.quote(PricedOrder(kind=kind, duration_s=180, scenes=12), PRICES)
    assert small == large
    assert {line.action: line.quantity for line in small.lines} == quantities
    assert small.total_micro == sum(PRICES.costs[action] for action in quantities)


async def test_a_part_is_much_cheaper_than_the_reel(db: Database) -> None:
    async with db.begin() as tx:
        prices = await Catalogue(session=tx).current()
    totals = {
        kind: credits_of(billing.quote(PricedOrder(kind=kind, duration_s=30, scenes=6), prices)) for kind in OrderKind
    }
    assert 0 < totals[OrderKind.REWRITE] < totals[OrderKind.SCRIPT] / 2
    assert 0 < totals[OrderKind.PICTURE] < totals[OrderKind.RENDER] / 2


async def test_an_action_of_a_newer_release_is_skipped(db: Database) -> None:
    """While two releases serve, the older one reads price lists that the newer one has migrated."""
    async with db.begin() as tx:
        await tx.execute(text("INSERT INTO action_costs VALUES (1, 'hologram', 5)"))
        assert set((await Catalogue(session=tx).current()).costs) == set(Action)
        assert (await Catalogue(session=tx).lists(limit=1))[0].costs["hologram"] == 5
        await tx.rollback()
