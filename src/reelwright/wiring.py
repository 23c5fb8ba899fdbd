"""The roof's joinery: settings become pools, gate, storage and relay, opened together and closed in reverse."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from reelwright import ledger, outbox
from reelwright.admission import Gate, Place, Tcp, Transport, Unreachable, eviction
from reelwright.billing import StripeDoor
from reelwright.generations import Stage
from reelwright.ground import failpoints, log, notified, postgres, qstash, redis, storage, tasks, tracing
from reelwright.journeys import facts
from reelwright.journeys.workroom import place_of
from reelwright.outbox import Destination, Relay
from reelwright.providers import Craft, Lane, Model, Toolset, model_of, toolset
from reelwright.settings import SettingRefused, Settings

_START_PATIENCE_S = 2
LAST_BATCH_S = 3
_log = log.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What API and worker share."""

    settings: Settings
    stripe: StripeDoor | None
    db: postgres.Database
    gate: Gate
    storage: storage.Storage
    relay: Relay
    recorder: ledger.Recorder


def worker_address(settings: Settings, path: str) -> str:
    """Return the configured URL that the queue sends to, and that its signatures must name."""
    return settings.worker_url.rstrip("/") + path


def stage_places(settings: Settings) -> dict[Stage, Place]:
    """Return which provider's place each stage needs while it runs for people, and whose may do in its stead.

    `Workroom.place` knows batch work's.
    """
    crafts = {
        Stage.STORY_WRITING: Craft.TEXT,
        Stage.SCENE_GENERATION: Craft.TEXT,  # a scene's text is made anew there
        Stage.VISUAL_GENERATION: Craft.PICTURE,
        Stage.VISUAL_VERIFICATION: Craft.VISION,
        Stage.TTS_GENERATION: Craft.SPEECH,
    }
    lane, found = Lane.INTERACTIVE, {Stage.INGESTION: place_of("web", "pages", Lane.INTERACTIVE)}
    for stage, craft in crafts.items():
        first, *others = (place_of(model.provider, model.name, lane) for model in _asked(settings, craft))
        found[stage] = replace(first, instead=tuple(others))
    return found


def _asked(settings: Settings, craft: Craft) -> list[Model]:
    """Return the models that may do a craft, in order; the settings name the first one's, the others are defaults."""
    first, *others = settings.choices[craft]
    return [model_of(first, craft, models(settings).get(craft)), *(model_of(other, craft) for other in others)]


def choices(settings: Settings) -> dict[str, str]:
    """Return the first provider of each craft."""
    return {craft: names[0] for craft, names in settings.choices.items()}


def tools(settings: Settings) -> Toolset:
    """Return the first provider's clients."""
    return toolset(
        choice=choices(settings),
        access=settings.access,
        models=models(settings),
        allowlist=frozenset(settings.ingestion_allowlist),
    )


def hands(settings: Settings, first: Toolset) -> dict[tuple[str, str], Toolset]:
    """Return the tools of each model that may do in another's stead: the first ones, but for that model's crafts."""
    found: dict[tuple[str, str], Toolset] = {}
    for craft in settings.choices:
        for model in _asked(settings, Craft(craft))[1:]:
            name = (model.provider, model.name)
            own = toolset(
                choice={**choices(settings), craft: model.provider},
                access=settings.access,
                models={**models(settings), craft: model.name},
            )
            found[name] = replace(found.get(name, first), **{craft: getattr(own, craft)})
    return found


def models(settings: Settings) -> dict[str, str]:
    """Return the models that the settings name, by craft; the others are their provider's default."""
    named = {
        "text": settings.text_model,
        "picture": settings.picture_model,
        "vision": settings.vision_model,
        "speech": settings.speech_model,
    }
    return {craft: name for craft, name in named.items() if name}


@contextlib.asynccontextmanager
async def wired(settings: Settings, *, name: str) -> AsyncGenerator[Wiring]:
    """Open everything, run the relay beside it, and close it all at the end.

    Messages that the relay has claimed by then are settled first: others would have to wait for their claim to lapse.
    """
    failpoints.arm(settings.failpoints)
    tracing.configure(f"reelwright-{name}", endpoint=settings.telemetry_endpoint)
    db = postgres.connect(settings.database_url, name=f"reelwright-{name}")
    transport = _transport(settings)
    queue = qstash.connect(token=settings.qstash_token, base_url=settings.qstash_url)
    failures = worker_address(settings, outbox.FAILED)
    relay = Relay(db, queue, Destination(worker_address(settings, outbox.GENERATE), failures=failures))
    gate = Gate(
        transport, facts=facts.reader(db), held=facts.held(db), limits=facts.LIMITS, patience=settings.redis_timeout
    )
    files = storage.connect(settings.storage_url)
    stripe = _stripe(settings)
    recorder = ledger.Recorder(db)
    publishing = asyncio.create_task(relay.run(), name="relay")
    listening = asyncio.create_task(
        notified.listen(settings.database_url, outbox.CHANNEL, relay.notified), name="relay-listen"
    )
    try:
        await _check_eviction(transport, settings)
        async with recorder.running():
            yield Wiring(
                settings=settings, stripe=stripe, db=db, gate=gate, storage=files, relay=relay, recorder=recorder
            )
    finally:
        relay.stop()
        await asyncio.wait({publishing}, timeout=LAST_BATCH_S)
        await tasks.end(publishing, listening)
        await qstash.close(queue)
        await gate.close()
        if stripe is not None:
            await stripe.close()
        await db.close()
        tracing.close()


def _stripe(settings: Settings) -> StripeDoor | None:
    """Return the door to Stripe, None where payments are not configured."""
    if not settings.stripe_secret_key:
        return None
    secrets = (settings.stripe_webhook_secret, settings.stripe_webhook_secret_next)
    return StripeDoor(
        secret_key=settings.stripe_secret_key,
        webhook_secrets=tuple(filter(None, secrets)),
        api_url=settings.stripe_api_url,
        return_url=settings.base_url.rstrip("/"),
    )


def _transport(settings: Settings) -> Transport:
    """Return the way to Redis that the settings name: one of the two, as `settings.load` has seen to."""
    if settings.upstash_redis_rest_url and settings.upstash_redis_rest_token:
        from reelwright.admission import rest  # noqa: PLC0415 - 60 ms for the SDK, which a process on TCP never needs

        url, token = settings.upstash_redis_rest_url, settings.upstash_redis_rest_token
        return rest.Rest(url, token, timeout=settings.redis_timeout)
    return Tcp(redis.connect(settings.redis_url or "", timeout_ms=None))


async def _check_eviction(transport: Transport, settings: Settings) -> None:
    """Refuse, in production, a Redis that may drop counters; elsewhere, and where it doesn't tell, only say so.

    One that is away stops nobody from starting: it may be back at once, and until then work is refused anyway.
    """
    try:
        async with asyncio.timeout(_START_PATIENCE_S):
            policy = await eviction.policy(transport, within_s=_START_PATIENCE_S)
    except (Unreachable, TimeoutError) as away:
        _log.warning("admission.eviction_unknown", detail=str(away))
        return
    if policy is None:
        _log.warning("admission.eviction_unknown", detail="Redis doesn't tell: at Upstash, keep Eviction switched off.")
    elif policy != eviction.KEEPS_ALL:
        sentence = (
            f"Set Redis's maxmemory-policy to {eviction.KEEPS_ALL}: with {policy}, limits could start again unseen."
        )
        _log.error("admission.counters_may_be_dropped", detail=sentence)
        if settings.production:
            raise SettingRefused(sentence, field="REDIS_URL" if settings.redis_url else "UPSTASH_REDIS_REST_URL")
