"""What our webhooks say, for the contract: each event, when it comes, and what its `data` holds."""

from collections.abc import Mapping
from types import MappingProxyType

from reelwright.api.contract_schemas import Schema
from reelwright.billing import Plan

_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "format": "uuid"}
_AT: Schema = {"type": "string", "format": "date-time"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_PLAN: Schema = {"type": "string", "enum": [plan.value for plan in Plan]}
_NAMED: Mapping[str, Schema] = MappingProxyType(
    {
        "plan": _PLAN,
        "before": _PLAN,
        "until": _AT,
        "goes_on": {"type": "boolean", "description": "False: it ends instead of being paid for."},
        "pool": {"type": "string", "enum": ["credits", "generations"]},
        "threshold": {"type": "integer", "enum": [80, 90, 100], "description": "Per cent of the limit."},
        "what": {"type": "string", "enum": ["pack", "boost", "plan"]},
        "period": {**_TEXT, "description": "The month, as 202611."},
        "reason": {**_TEXT, "description": "Of a payment, Stripe's: subscription_create, subscription_cycle, …"},
        "payment_intent": {**_TEXT, "description": "Stripe's name of the payment: the same in all that is told of it."},
        "amount_cents": {**_COUNT, "description": "The whole payment, or price."},
        "refunded_cents": {**_COUNT, "description": "How much of it has gone back by now, in all."},
        "disputed_cents": {**_COUNT, "description": "How much of it is disputed."},
        "currency": {**_TEXT, "description": "As `usd`."},
        "code": {**_TEXT, "description": "Why, for programs."},
        "url": {**_TEXT, "format": "uri", "description": "Stripe's page of the invoice."},
    }
)
_UNITS = ((("_micro",), _COUNT), (("_at",), _AT), (("_id",), _ID))
_COUNTED = {"used", "limit", "generations", "succeeded", "failed", "boost_days"}

_REEL = "generation_id draft_id kind"
_SOLD = "what name amount_cents currency"
# `field?` may be null; `(field)` is there for some only.
_EVENTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "generation.succeeded": ("A generation is ready.", f"{_REEL} credits_micro"),
        "generation.failed": ("A generation failed, and cost nothing.", f"{_REEL} code detail"),
        "generation.cancelled": (
            "A generation was cancelled: by its owner, or with a `code` by us. `credits_micro` is what it cost.",
            f"{_REEL} credits_micro code?",
        ),
        "quota.threshold_reached": (
            "So much of the month's credits or generations is used.",
            "pool threshold period_ends_at (used_micro) (limit_micro) (used) (limit) (plan)",
        ),
        "quota.reset": ("A new month of generations has begun.", "period period_ends_at plan generations"),
        "credits.low": ("Few credits are left.", "balance_micro low_micro"),
        "credits.exhausted": ("No whole credit is left.", "balance_micro low_micro"),
        "usage.monthly_summary": ("How a month was.", "period generations succeeded failed credits_micro"),
        "purchase.completed": (
            "A credit pack or a boost is paid and handed over. A plan's months tell `payment.succeeded`.",
            f"{_SOLD} credits_micro boost_days payment_intent?",
        ),
        "purchase.failed": ("The bank turned a purchase down.", _SOLD),
        "purchase.expired": ("A page to pay on was left, and has closed.", _SOLD),
        "payment.succeeded": (
            "An invoice of a plan was paid: its first month, a renewal, an upgrade.",
            "amount_cents currency plan? reason? period_ends_at? payment_intent? url?",
        ),
        "payment.failed": ("An invoice of a plan was not paid, and will be tried again.", "amount_cents currency url?"),
        "payment.action_required": ("An invoice waits for its payer to confirm.", "amount_cents currency url?"),
        "payment.refunded": (
            "Some of a payment, or all, went back. What it had brought is taken back as far.",
            "amount_cents currency payment_intent refunded_cents",
        ),
        "payment.disputed": (
            "A bank disputes a payment. Nothing more can be bought until it has decided.",
            "amount_cents currency payment_intent disputed_cents",
        ),
        "trial.ending": ("A trial ends in three days.", "plan amount_cents currency until goes_on"),
        "plan.changed": ("The account's plan is another one.", "plan before"),
        "boost.started": ("A boost has begun, or was made longer.", "until"),
        "boost.ended": ("A boost is over.", "plan"),
        "schedule.paused": ("A schedule failed several times in a row, and rests.", "schedule_id code reason"),
        "webhook.test": ("You asked for it.", "endpoint_id"),
    }
)


def described() -> Schema:
    """Return what OpenAPI calls webhooks: the requests that we send."""
    return {name: {"post": _operation(name, *told)} for name, told in _EVENTS.items()}


def _operation(name: str, when: str, fields: str) -> Schema:
    data = {
        "type": "object",
        "properties": {field.strip("()?"): _schema(field) for field in fields.split()},
        "required": [field.strip("?") for field in fields.split() if not field.startswith("(")],
    }
    said = {"type": {"const": name}, "timestamp": {**_AT, "description": "When it happened."}, "data": data}
    body = {"type": "object", "properties": said, "required": list(said)}
    return {
        "tags": ["webhooks"],
        "summary": when,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"2XX": {"description": "It has come, and isn't sent again."}},
    }


def _schema(field: str) -> Schema:
    name = field.strip("()?")
    by_unit = (schema for endings, schema in _UNITS if name.endswith(endings))
    found = _NAMED.get(name) or (_COUNT if name in _COUNTED else next(by_unit, _TEXT))
    if not field.endswith("?"):
        return found
    return {**found, "type": [found["type"], "null"]} | ({"enum": [*found["enum"], None]} if "enum" in found else {})
