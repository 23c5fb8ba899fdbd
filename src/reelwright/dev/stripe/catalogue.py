"""What the account sells: Reelwright's own plans, boost and packs, found by lookup key."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from reelwright.dev.stripe.book import Book, merged
from reelwright.dev.stripe.wire import Json, Refused, Route


class Ware(NamedTuple):
    """One thing on sale, in cents: each month or once."""

    lookup_key: str
    name: str
    cents: int
    monthly: bool


def wares() -> Iterator[Ware]:
    """Read the price page."""
    from reelwright import billing  # noqa: PLC0415 - heavy: not before someone wants to buy

    for plan, terms in billing.PLANS.items():
        yield Ware(f"plan_{plan}", f"Reelwright {terms.title}", terms.price_cents, monthly=True)
    yield Ware("boost_30d", f"Pro Boost, {billing.BOOST_DAYS} days", billing.BOOST_PRICE_CENTS, monthly=False)
    for pack, micro in billing.PACKS.items():
        name = f"{micro // billing.MICRO:,} credits ({pack})"
        yield Ware(f"pack_{pack}", name, billing.PACK_PRICES_CENTS[pack], monthly=False)


def seed(book: Book) -> None:
    """Put on sale what isn't yet, or is at another price."""
    on_sale = {price["lookup_key"]: price["unit_amount"] for price in book.all("price")}
    for ware in wares():
        if on_sale.get(ware.lookup_key) == ware.cents:
            continue
        product = _add_product(book, ProductWish(name=ware.name))
        recurring = RecurringWish() if ware.monthly else None
        _add_price(
            book,
            PriceWish(
                product=product["id"],
                unit_amount=ware.cents,
                recurring=recurring,
                lookup_key=ware.lookup_key,
                nickname=ware.name,
                transfer_lookup_key=True,
                metadata={"item": ware.lookup_key},
            ),
        )


class ProductWish(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    metadata: dict[str, str] = {}
    active: bool = True


class RecurringWish(msgspec.Struct, forbid_unknown_fields=True):
    interval: Literal["month"] = "month"
    interval_count: Literal[1] = 1


class PriceWish(msgspec.Struct, forbid_unknown_fields=True):
    """`unit_amount` in cents; only US dollars are simulated."""

    product: str
    unit_amount: int
    currency: Literal["usd"] = "usd"
    recurring: RecurringWish | None = None
    lookup_key: str | None = None
    transfer_lookup_key: bool = False
    nickname: str | None = None
    metadata: dict[str, str] = {}
    active: bool = True


class PriceChange(msgspec.Struct, forbid_unknown_fields=True):
    active: bool | None = None
    nickname: str | None = None
    metadata: dict[str, str] | str | None = None


def _add_product(book: Book, wish: ProductWish) -> Json:
    return book.add(
        "prod",
        "product",
        active=wish.active,
        default_price=None,
        description=wish.description,
        images=[],
        marketing_features=[],
        metadata=wish.metadata,
        name=wish.name,
        type="service",
        updated=book.now(),
    )


def _add_price(book: Book, wish: PriceWish) -> Json:
    book.get("product", wish.product, param="product")
    for other in book.all("price", lookup_key=wish.lookup_key) if wish.lookup_key else []:
        if not wish.transfer_lookup_key:
            raise Refused(
                f"A price (`{other['id']}`) already uses that lookup key.",
                code="resource_already_exists",
                param="lookup_key",
            )
        other["lookup_key"] = None
    monthly = {"interval": "month", "interval_count": 1, "meter": None, "usage_type": "licensed"}
    return book.add(
        "price",
        "price",
        active=wish.active,
        billing_scheme="per_unit",
        currency=wish.currency,
        custom_unit_amount=None,
        lookup_key=wish.lookup_key,
        metadata=wish.metadata,
        nickname=wish.nickname,
        product=wish.product,
        recurring=monthly if wish.recurring else None,
        tax_behavior="unspecified",
        tiers_mode=None,
        transform_quantity=None,
        type="recurring" if wish.recurring else "one_time",
        unit_amount=wish.unit_amount,
        unit_amount_decimal=str(wish.unit_amount),
    )


def _change_price(book: Book, wish: PriceChange, name: str) -> Json:
    found = book.get("price", name)
    said = {key: value for key, value in msgspec.to_builtins(wish).items() if value is not None}
    book.change(found, "price.updated", **said | {"metadata": merged(found["metadata"], wish.metadata)})
    return found


ROUTES = (
    Route("POST", "products", _add_product, ProductWish),
    Route("POST", "prices", _add_price, PriceWish),
    Route("POST", "prices/{}", _change_price, PriceChange),
)
