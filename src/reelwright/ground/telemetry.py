"""What an operator watches: every Prometheus metric of ours, declared in this one place and set where it happens.

Labels are words of our own (stages, states, codes, providers, models), never a person's text, an id or a key.
"""

import asyncio
import itertools
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 3600)

STAGE_SECONDS = Histogram(
    "reelwright_stage_seconds",
    "From a stage run's claim to its end; outcome is succeeded, retried, failed, lost or given_back.",
    ["stage", "outcome"],
    buckets=_LONG,
)
STAGE_WAIT_SECONDS = Histogram(
    "reelwright_stage_wait_seconds", "From when a stage run was due to when it was claimed.", ["stage"], buckets=_QUICK
)
GENERATION_SECONDS = Histogram(
    "reelwright_generation_seconds", "From a generation's admission to its end.", ["kind", "state"], buckets=_LONG
)
GENERATIONS_ENDED = Counter(
    "reelwright_generations_ended", "Generations that ended, with the failure's code.", ["kind", "state", "code"]
)
REFUSALS = Counter("reelwright_refusals", "Requests refused, by the limit that bound.", ["policy"])

PROVIDER_CALLS = Counter(
    "reelwright_provider_calls",
    "Calls to providers; outcome is answered, rate_limited, away, refused, broken or circuit_open.",
    ["provider", "model", "outcome"],
)
PROVIDER_SECONDS = Histogram(
    "reelwright_provider_seconds", "How long a provider took to answer.", ["provider", "model"], buckets=_LONG
)
PROVIDER_REPEATS = Counter(
    "reelwright_provider_repeats",
    "Paid calls made again because the reply of the first was lost.",
    ["provider", "model"],
)
CIRCUIT_OPEN = Gauge(
    "reelwright_circuit_open", "1 while calls to a provider's model are held back.", ["provider", "model"]
)
RETRY_BUDGET = Gauge(
    "reelwright_retry_budget", "Retries that a provider's model may still be asked for.", ["provider", "model"]
)

USAGE_UNTRACKED = Counter(
    "reelwright_usage_untracked",
    "Calls and requests that are missing in the usage figures, by source and by what kept them out; alarm on any.",
    ["source", "reason"],
)

STRIPE_EVENTS = Counter(
    "reelwright_stripe_events",
    "Stripe's events, by what they are about; outcome is stored, repeated, ignored, refused, done, postponed or failed."
    " Alarm on any that failed or were refused.",
    ["family", "outcome"],
)
STRIPE_OTHER_VERSION = Counter(
    "reelwright_stripe_other_version", "Events that Stripe wrote in another API version than the one we read."
)

STRIPE_ITEM_MISSING = Counter(
    "reelwright_stripe_item_missing", "Purchases refused because Stripe has no active price of the item; alarm on any."
)
STRIPE_REVIEWS = Counter(
    "reelwright_stripe_reviews", "Payments that a bank has warned of as stolen: a person decides about each."
)

OUTBOX_PUBLISHED = Counter("reelwright_outbox_published", "Messages handed to the queue.")
OUTBOX_PARKED = Counter("reelwright_outbox_parked", "Messages that can never be published.")
OUTBOX_WAITING = Gauge("reelwright_outbox_waiting", "Messages not yet published.")
OUTBOX_OLDEST_SECONDS = Gauge("reelwright_outbox_oldest_seconds", "Age of the oldest message not yet published.")

SWEPT = Counter("reelwright_swept", "Rows that the sweeper put right, by what was wrong with them.", ["what"])
DEAD_LETTERS = Counter("reelwright_dead_letters", "Generations that failed by our fault.", ["code"])
INVARIANT_VIOLATIONS = Gauge(
    "reelwright_invariant_violations", "Rows that break an invariant; anything above 0 is a bug.", ["invariant"]
)
LOOP_LAG_SECONDS = Gauge("reelwright_loop_lag_seconds", "The event loop's longest delay of the last ten seconds.")

ADMISSION_DRIFT = Gauge(
    "reelwright_admission_drift_units",
    "Units by which Redis and PostgreSQL differed when they were last compared, over all accounts compared.",
    ["counter"],
)
ADMISSION_REPAIRS = Counter(
    "reelwright_admission_repairs", "Accounts whose counters in Redis were set to what PostgreSQL counted."
)
ADMISSION_UNCONFIRMED = Counter(
    "reelwright_admission_unconfirmed",
    "Admissions whose confirmation was overdue, by what the sweep found in PostgreSQL.",
    ["outcome"],
)

MAILS = Counter("reelwright_mails", "E-mails handled; outcome is sent, waiting, given_up or lost.", ["kind", "outcome"])
WEBHOOKS = Counter(
    "reelwright_webhooks",
    "Webhooks tried; outcome is delivered, waiting, given_up or lost.",
    ["type", "outcome"],
)
WEBHOOK_SECRETS = Gauge(
    "reelwright_webhook_secrets",
    "Endpoints whose secret, when this process last looked, the present key hadn't sealed (old), or no key opened"
    " (unreadable; alarm on any).",
    ["state"],
)

_TICK_S = 0.1
_WINDOW_S = 10.0


def show(counter: Counter, *values: Iterable[str]) -> None:
    """Begin these labels' series at 0: one that begins with 1 has not increased, to Prometheus, and no alarm sounds."""
    for labels in itertools.product(*values):
        counter.labels(*labels)


async def keep_measuring_lag() -> None:
    """Set LOOP_LAG_SECONDS until cancelled: how late a short timer fires is how long something held the loop."""
    loop = asyncio.get_running_loop()
    worst = earlier = 0.0
    turns = loop.time() + _WINDOW_S / 2
    while True:
        due = loop.time() + _TICK_S
        await asyncio.sleep(_TICK_S)
        worst = max(worst, loop.time() - due)
        LOOP_LAG_SECONDS.set(max(worst, earlier))
        if loop.time() >= turns:
            earlier, worst, turns = worst, 0.0, loop.time() + _WINDOW_S / 2
