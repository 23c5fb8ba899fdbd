"""The roof's list of chores: what workers do over and over, and once more for every tick."""

from collections.abc import Mapping

from reelwright.ground import clock
from reelwright.ground.sealing import Seal
from reelwright.journeys import (
    alerts,
    allowances,
    exporting,
    identity,
    inbox,
    leaving,
    media,
    notifying,
    plans,
    retention,
    scheduling,
    usage,
)
from reelwright.journeys.chores import Chore
from reelwright.journeys.ordering import Terms
from reelwright.journeys.sounding import forget as forget_sounds
from reelwright.notices import Post, Reach
from reelwright.providers import PageFetcher
from reelwright.wiring import Wiring, stage_places


def chores(wiring: Wiring) -> Mapping[str, Chore]:
    """Return every chore by name."""
    db, gate = wiring.db, wiring.gate
    desk, post, months = _desk(wiring), _post(wiring), alerts.Months()
    seal = Seal(wiring.settings.secret_key, previous=wiring.settings.secret_key_previous)
    return {
        "plans": lambda: plans.sweep(db=db, gate=gate, now=clock.now()),
        "allowances": lambda: allowances.refill_due(db=db, now=clock.now()),
        "usage": lambda: usage.roll_up(db=db),
        "schedules": lambda: scheduling.run_due(desk=desk),
        "alerts": lambda: months.sweep(db=db, now=clock.now()),
        **_payments(wiring),
        "notices": lambda: notifying.send(db=db, post=post),
        "exports": lambda: exporting.make(db=db, storage=wiring.storage),
        "departures": lambda: leaving.depart(db=db, gate=gate, stripe=wiring.stripe, now=clock.now()),
        "retention": lambda: retention.forget(db=db),
        "webhook_secrets": lambda: notifying.seal_secrets(db=db, seal=seal),
        "replays": lambda: identity.forget_requests(db=db),
        "sounds": lambda: forget_sounds(db=db),
        "sign_ins": lambda: identity.forget_sign_ins(db=db),
        "loose_files": lambda: media.sweep(db=db, storage=wiring.storage),
    }


def _payments(wiring: Wiring) -> Mapping[str, Chore]:
    db, gate, stripe = wiring.db, wiring.gate, wiring.stripe
    if stripe is None:
        return {}
    return {
        "stripe_events": lambda: inbox.drain(db=db, gate=gate, stripe=stripe, now=clock.now()),
        "stripe_review": lambda: inbox.reconcile(db=db, stripe=stripe, now=clock.now()),
    }


def _desk(wiring: Wiring) -> scheduling.Desk:
    settings, allowlist = wiring.settings, frozenset(wiring.settings.ingestion_allowlist)
    terms = Terms(places=stage_places(settings), deadline=settings.generation_deadline)
    feed = PageFetcher(allowlist).feed
    return scheduling.Desk(db=wiring.db, gate=wiring.gate, terms=terms, feed=feed, allowlist=allowlist)


def _post(wiring: Wiring) -> Post:
    settings = wiring.settings
    return Post(
        base_url=settings.base_url,
        reach=Reach(https_only=settings.production, allowlist=frozenset(settings.webhook_allowlist)),
        smtp_url=settings.smtp_url,
        folder=settings.mail_dir,
        sender=settings.mail_from,
        seal=Seal(settings.secret_key, previous=settings.secret_key_previous),
    )
