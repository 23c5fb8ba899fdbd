"""What a dry run answers: whether the order would be accepted, what binds, and what it costs line by line."""

from datetime import datetime

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from reelwright.admission import Policy
from reelwright.billing import MICRO
from reelwright.ground.metering import Action
from reelwright.journeys.previewing import Preview


class ViolationView(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that binds now, and when it frees; null where nobody can know."""

    policy: Policy
    limit: int | None
    used: int
    frees_at: datetime | None


class PriceLineView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the price, in the action's units and in credits."""

    action: Action
    quantity: int
    credits: float


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """The most the order can cost, in credits, by the price list of that version."""

    total: float
    version: int
    lines: tuple[PriceLineView, ...]


class CreditsNeededView(msgspec.Struct, frozen=True, kw_only=True):
    required: float
    available: float
    enough: bool


class PreviewView(msgspec.Struct, frozen=True, kw_only=True):
    """A dry run's answer. `available_after`: when all that binds is free. `degraded`: limits by the rows alone."""

    would_admit: bool
    violations: tuple[ViolationView, ...]
    price: PriceView
    credits: CreditsNeededView
    available_after: datetime | None
    degraded: bool


FORESEEN = ResponseSpec(PreviewView, description="A dry run: what the order would meet.", generate_examples=False)


def preview_view(preview: Preview) -> PreviewView:
    """Return what the caller sees of a preview."""
    price = preview.price
    return PreviewView(
        would_admit=preview.would_admit,
        violations=tuple(
            ViolationView(policy=row.policy, limit=row.limit, used=row.used, frees_at=row.frees_at)
            for row in preview.violations
        ),
        price=PriceView(
            total=price.total_micro / MICRO,
            version=price.version,
            lines=tuple(
                PriceLineView(action=line.action, quantity=line.quantity, credits=line.micro / MICRO)
                for line in price.lines
            ),
        ),
        credits=CreditsNeededView(
            required=preview.required_micro / MICRO, available=preview.available_micro / MICRO, enough=preview.enough
        ),
        available_after=preview.after,
        degraded=preview.degraded,
    )
