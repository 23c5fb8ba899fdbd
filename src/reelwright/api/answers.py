"""What each operation may answer besides its own type: codes of refusals, headers and files. The contract reads it.

What follows from a route's shape (its guards, body, path and parameters) is found there; the rest is told here, by
the handler's name. The tests fail for a code that was answered by an operation that isn't said to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from litestar.status_codes import HTTP_202_ACCEPTED
from litestar.types.empty import Empty

from reelwright.api.idempotency import marked, unkept
from reelwright.api.operations import Operation

_SOUND = ("voice.unknown", "voice.language_unsupported", "music.unknown", "music.not_ready", "brand_kit.unknown")
_CHOSEN = ("voice.unknown", "music.unknown", "brand_kit.unknown")
_KIT = ("brand_kit.font_unknown", "brand_kit.contrast", "brand_kit.logo_not_a_picture", "media.not_found")
_ORDER = (
    *("admission.limited", "admission.unavailable", "idempotency.in_progress", "idempotency.key_reused"),
    *("plan.required", "price.changed", "credits.insufficient", "credits.debt", "outbox.too_deep"),
    "provider.off",
    *("draft.edited_meanwhile", *_SOUND),
)
_GOING_ON = (
    *("generation.not_resumable", "generation.resumed_already", "generation.outdated", "generation.stage_done"),
    *("generation.ended", "generation.no_such_stage", "scenes.too_long", *_ORDER),
)
_REPEATABLE = ("idempotency.key_reused",)
_EDITED = ("variant.not_found", "variant.changed", "variant.in_use", "draft.in_use", "draft.not_found")
_PAYING = ("payments.not_configured", "payments.unavailable", "payments.refused", "payments.item_missing")
_CHECKOUT = (*_PAYING, *_REPEATABLE, "payments.demo_account", "payments.disputed")
_SUBSCRIBED = (*_PAYING, "payments.no_subscription")
_TIMES = (
    *("schedule.timing", "schedule.source", "schedule.budget_too_small", "plan.required"),
    *("source.not_allowed", *_SOUND),
)
_STRANGERS = (
    *("auth.cross_site", "auth.too_many_attempts", "admission.unavailable"),
    *("database.unavailable", "database.conflict"),
)
_PASSWORD = ("auth.busy", "accounts.password_refused")
_PROVEN = (*_PASSWORD, "auth.wrong_password", "auth.too_many_attempts", "admission.unavailable")
_ADDRESS = ("webhooks.url_not_allowed", "webhooks.event_unknown")

CODES: Mapping[str, tuple[str, ...]] = {
    "register": (*_STRANGERS, *_PASSWORD, "accounts.email_invalid"),
    "verify_address": (*_STRANGERS, "auth.token_invalid"),
    "log_in": (*_STRANGERS, *_PASSWORD, "auth.wrong_credentials"),
    "log_out": ("auth.session_only",),
    "step_up": (*_PROVEN, "auth.session_only", "auth.wrong_credentials"),
    "ask_password_reset": (*_STRANGERS, "accounts.email_invalid"),
    "confirm_password_reset": (*_STRANGERS, *_PASSWORD, "auth.token_invalid"),
    "read_me": ("accounts.not_found",),
    "change_me": (*_PROVEN, "accounts.changed", "accounts.not_found"),
    "end_session": ("accounts.session_not_found",),
    "ask_export": (*_REPEATABLE, "account.export_too_soon", "account.no_export"),
    "read_export": ("account.no_export",),
    "delete_account": (*_PROVEN, "account.confirmation_wrong", "account.is_admin", "accounts.not_found"),
    "restore_account": ("account.not_leaving",),
    "delete_user": ("accounts.not_found", "account.confirmation_wrong", "account.is_admin"),
    "add_key": (*_REPEATABLE, "auth.step_up_required", "accounts.scope_not_held", "accounts.too_many_keys"),
    "read_key": ("accounts.key_not_found",),
    "revoke_key": ("accounts.key_not_found",),
    "create": (*_ORDER, "request.not_found", "generation.no_such_stage", "source.not_allowed", "scenes.too_long"),
    "regenerate": (*_ORDER, "request.not_found", "generation.no_such_stage"),
    "resume": _GOING_ON,
    "ingest": (*_ORDER, "source.not_allowed", "ingestion.not_youtube"),
    "read_ingestion": ("ingestion.not_found",),
    "retry_ingestion": (*_ORDER, "ingestion.not_found", "ingestion.not_failed", "request.not_found"),
    "read_pipeline": ("draft.not_found",),
    "start_stage": (
        *("draft.not_found", "pipeline.at_work", "pipeline.missing", "generation.stage_done", "generation.ended"),
        *("generation.no_such_stage", "request.not_found", "scenes.too_long", *_ORDER),
    ),
    "pause_pipeline": ("draft.not_found", "pipeline.not_begun", "generation.ended"),
    "resume_pipeline": ("draft.not_found", "pipeline.not_begun", "request.not_found", *_GOING_ON),
    "list_stage_runs": ("request.not_found",),
    "read_stage_run": ("stage_run.not_found",),
    "cancel_stage_run": ("stage_run.not_found", "stage_run.ended", "stage_run.at_work"),
    "cancel": ("generation.ended",),
    "events": ("events.too_many_streams",),
    "pause": ("generation.ended",),
    "video": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "ranked_thumbnail": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "thumbnail": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "wide_thumbnail": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "captions": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "inspection": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "manifest": ("file.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "events_by_ticket": (
        *("events.ticket_refused", "events.too_many_streams", "auth.cross_site"),
        *("database.unavailable", "database.conflict"),
    ),
    "add_draft": (*_REPEATABLE, "source.not_allowed", *_CHOSEN, "draft.not_found"),
    "change_draft": (
        *("draft.changed", "draft.not_found", "draft.variant_unknown", "draft.in_use", "source.not_allowed"),
        *_CHOSEN,
    ),
    "delete_draft": ("draft.not_found", "draft.in_use"),
    "read_variant": ("variant.not_found",),
    "change_variant": (*_EDITED, "captions.no_letters"),
    "regenerate_variant": (*_ORDER, "request.not_found", "generation.no_such_stage", "variant.not_found"),
    "list_scenes": ("variant.not_found",),
    "change_scene": (*_EDITED, "scene.not_found", "scenes.too_long", "captions.no_letters"),
    "reorder_scenes": (*_EDITED, *_REPEATABLE, "scenes.order_invalid"),
    "regenerate_scene": (
        *(*_ORDER, "request.not_found", "generation.no_such_stage", "variant.not_found", "scene.not_found"),
    ),
    "calculate_cost": ("request.not_found", "plan.required", "scenes.too_long", "brand_kit.unknown"),
    "change_action_costs": _REPEATABLE,
    "set_plan": ("accounts.not_found", "accounts.changed", "accounts.plan_paid_for"),
    "grant_boost": ("accounts.not_found", "accounts.boost_not_needed", "accounts.boost_source_used", *_REPEATABLE),
    "revoke_boost": ("accounts.not_found", "accounts.boost_not_found"),
    "read_user": ("accounts.not_found",),
    "set_demo": ("accounts.not_found", "accounts.changed"),
    "switch_provider": ("provider.not_found", "provider.changed"),
    "switch_model": ("provider.not_found", "provider.changed"),
    "correct_credits": ("credits.adjustment_too_large", *_REPEATABLE),
    "refund_generation": ("request.not_found", "credits.refund_too_large", *_REPEATABLE),
    "list_dead_letters": ("dead_letter.cursor_unknown",),
    "read_dead_letter": ("dead_letter.not_found",),
    "redrive": (
        *("dead_letter.not_found", "dead_letter.redriven_already", "dead_letter.owner_gone", "generation.outdated"),
        *("generation.resumed_already", "scenes.too_long", "credits.insufficient", "credits.debt"),
    ),
    "buy_credits": _CHECKOUT,
    "subscribe": (*_CHECKOUT, "payments.subscription_exists"),
    "buy_boost": (*_CHECKOUT, "accounts.boost_not_needed"),
    "open_portal": (*_PAYING, "payments.no_customer"),
    "change_plan": (*_SUBSCRIBED, "payments.plan_held", "payments.disputed"),
    "cancel_subscription": _SUBSCRIBED,
    "resume_subscription": _SUBSCRIBED,
    "stripe_webhook": (
        *("request.not_found", "payments.signature_wrong", "payments.event_unreadable", "database.unavailable"),
        "request.too_large",
    ),
    "create_schedule": (*_TIMES, *_REPEATABLE, "schedule.too_many", "schedule.not_found"),
    "list_schedules": (),
    "read_schedule": ("schedule.not_found",),
    "change_schedule": (*_TIMES, "schedule.not_found", "schedule.changed"),
    "delete_schedule": ("schedule.not_found",),
    "pause_schedule": ("schedule.not_found", "schedule.ended"),
    "resume_schedule": ("schedule.not_found", "schedule.ended", "schedule.timing"),
    "list_schedule_runs": ("schedule.not_found",),
    "add_webhook": (*_ADDRESS, *_REPEATABLE, "webhooks.too_many", "webhooks.not_for_demos"),
    "change_webhook": (*_ADDRESS, "webhooks.changed"),
    "rotate_webhook_secret": _REPEATABLE,
    "replay_webhook_delivery": ("webhooks.disabled", *_REPEATABLE),
    "test_webhook": ("webhooks.disabled", *_REPEATABLE),
    "change_preferences": ("notifications.changed",),
    "save_asset": (*_REPEATABLE, "request.not_found", "library.no_video", "library.asset_not_found", "media.not_found"),
    "read_asset": ("library.asset_not_found",),
    "change_asset": ("library.asset_not_found", "library.asset_changed"),
    "delete_asset": ("library.asset_not_found",),
    "asset_url": ("library.asset_not_found", "library.no_file"),
    "upload_media": (
        *(*_REPEATABLE, "media.refused", "media.no_room", "media.too_many_at_once", "media.busy", "media.too_late"),
        *("media.not_found", "storage.unavailable", "worker.media_failed", "worker.disk_full", "request.too_large"),
    ),
    "read_media": ("media.not_found",),
    "delete_media": ("media.not_found", "media.in_use"),
    "media_url": ("media.not_found",),
    "video_url": ("file.not_ready",),
    "file_by_link": (
        *("file.link_refused", "file.gone", "request.range", "storage.not_found", "storage.unavailable"),
        *("database.unavailable", "database.conflict"),
    ),
    "add_brand_kit": (*_REPEATABLE, *_KIT, "brand_kit.too_many", "brand_kit.not_found"),
    "read_brand_kit": ("brand_kit.not_found",),
    "change_brand_kit": (*_KIT, "brand_kit.not_found", "brand_kit.changed"),
    "delete_brand_kit": ("brand_kit.not_found",),
    "create_voice": (*_REPEATABLE, "voice.unknown", "voice.too_many", "voice.not_found"),
    "read_voice": ("voice.not_found",),
    "change_voice": ("voice.not_found", "voice.changed", "voice.unknown"),
    "delete_voice": ("voice.not_found",),
    "set_default_voice": ("voice.not_found", "voice.changed"),
    "preview_voice": (
        *("voice.not_found", "voice.unknown", "voice.language_unsupported", "voice.too_many_previews"),
        "sound.not_ready",
    ),
    "play_preview": ("sound.not_ready", "request.range", "storage.not_found", "storage.unavailable"),
    "add_music": (*_REPEATABLE, "media.not_found", "music.not_audio", "music.too_many"),
    "read_music": ("music.not_found",),
    "delete_music": ("music.not_found",),
    "preview_music": ("music.not_found", "music.not_ready"),
    "play_music": (
        *("music.not_found", "music.not_ready", "sound.not_ready", "request.range"),
        *("storage.not_found", "storage.unavailable"),
    ),
}
"""By handler: the codes that its shape doesn't tell."""

ALSO: Mapping[str, Mapping[int, str]] = {
    "ready": {503: "Traffic may not come."},
    "preview_voice": {200: "It is there already."},
    "preview_music": {202: "It is being made."},
}
"""By handler: other statuses that come with the same type."""

_LIMITS = ("RateLimit", "RateLimit-Policy")
HEADERS: Mapping[str, tuple[str, ...]] = {
    "create": ("Location", *_LIMITS),
    "regenerate": ("Location", *_LIMITS),
    "resume": ("Location", *_LIMITS),
    "read_me": ("ETag",),
    "add_draft": ("Location", "ETag"),
    "change_me": ("ETag", "Set-Cookie"),
    "ask_export": ("Location",),
    "ingest": ("Location", *_LIMITS),
    "retry_ingestion": ("Location", *_LIMITS),
    "start_stage": ("Location", *_LIMITS),
    "resume_pipeline": ("Location", *_LIMITS),
    "read_draft": ("ETag",),
    "read_variant": ("ETag",),
    "list_scenes": ("ETag",),
    "regenerate_variant": ("Location", *_LIMITS),
    "regenerate_scene": ("Location", *_LIMITS),
    "create_schedule": ("Location", "ETag"),
    "read_schedule": ("ETag",),
    "change_schedule": ("ETag",),
    "upload_media": ("Location",),
    "create_voice": ("Location", "ETag"),
    "add_brand_kit": ("Location", "ETag"),
    "read_brand_kit": ("ETag",),
    "read_voice": ("ETag",),
    "read_webhook": ("ETag",),
    "log_in": ("Set-Cookie",),
    "log_out": ("Set-Cookie",),
    "step_up": ("Set-Cookie",),
    "read_user": ("ETag",),
    "redrive": ("Location",),
    "save_asset": ("Location", "ETag"),
    "read_asset": ("ETag",),
    "add_music": ("Location",),
    "read_preferences": ("ETag",),
    "preview_voice": ("Location", "Retry-After"),
    "preview_music": ("Location", "Retry-After"),
}
"""By handler: the headers that its shape doesn't tell."""
_WAITING = {"preview_voice", "preview_music"}
"""Handlers whose headers tell where a thing will be, and come with 202 alone."""

REFUSAL_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    416: ("Content-Range",),
    429: ("Retry-After", *_LIMITS),
    503: ("Retry-After",),
}

PARAMETERS: Mapping[str, str] = {
    "Idempotency-Key": "Any new text of 1 to 200 visible characters; the same one again repeats nothing.",
    "If-Match": 'The ETag that you read, such as `"3"`: 412 where it has changed.',
    "Last-Event-ID": "The id of the last event that came: those behind it follow.",
    "by": "What to rank by.",
    "group_by": "What each line is of.",
    "status": "Only those in this state.",
    "genre": "Only music of this genre.",
    "bpm_min": "Only music that is at least so fast.",
    "bpm_max": "Only music that is at most so fast.",
    "q": "Words to look for.",
    "open": "Only those that wait to be seen to.",
    "cursor": "`next_cursor` of the page before.",
    "limit": "How many at most.",
    "dry_run": "Only say what the order would meet and cost.",
    "path:*": "Which one.",
}
"""Descriptions of parameters that have none of their own, by name; `place:*` for all others in a place."""


@dataclass(frozen=True, slots=True)
class File:
    """What is answered in bytes. `ranged`: parts and conditions are answered, too."""

    media: str = "application/octet-stream"
    text: bool = False
    ranged: bool = False


FILES: Mapping[str, File] = {
    "video": File("video/mp4", ranged=True),
    "thumbnail": File("image/jpeg", ranged=True),
    "wide_thumbnail": File("image/jpeg", ranged=True),
    "ranked_thumbnail": File("image/jpeg", ranged=True),
    "inspection": File("image/png", ranged=True),
    "manifest": File("application/json", text=True, ranged=True),
    "captions_srt": File("application/x-subrip", text=True, ranged=True),
    "captions_vtt": File("text/vtt", text=True, ranged=True),
    "events": File("text/event-stream", text=True),
    "events_by_ticket": File("text/event-stream", text=True),
    "file_by_link": File("*/*", ranged=True),
    "play_preview": File("audio/mpeg", ranged=True),
    "play_music": File("audio/mpeg", ranged=True),
    "usage_export": File("text/csv", text=True),
}
"""By operation: what isn't JSON."""


def codes(one: Operation) -> set[str]:
    """Return every code that an operation may answer with."""
    return {*_shaped(one), *CODES.get(one.handler.fn.__name__, ())}


def _shaped(one: Operation) -> Iterator[str]:
    """Yield what follows from guards, path, body and parameters."""
    yield from ("request.invalid", "request.host", "service.bug")
    yield from ("request.malformed", "request.too_slow", "request.head_too_large")
    if not one.path.startswith("/health/"):
        yield "service.busy"
    if one.signed_in:
        yield from ("auth.required", "auth.insufficient_scope", "database.unavailable", "database.conflict")
        if not one.handler.opt.get("leaving"):
            yield "account.leaving"
        if one.method not in {"GET", "HEAD"}:
            yield from ("auth.csrf", "auth.cross_site")
    if "admin_only" in one.guards:
        yield from ("auth.admin_only", "auth.step_up_required")
    if "{" in one.path:
        yield "request.not_found"
    if marked(one.handler):
        yield "idempotency.key_reused"
    if one.method in {"POST", "PUT", "PATCH"}:
        yield "request.content_type"
    if one.method not in {"GET", "HEAD"}:
        yield "request.too_large"


def headers(one: Operation, status: int) -> Iterator[str]:
    """Yield the headers of an operation's success."""
    if "Idempotency-Key" in one.headers and not unkept(one.handler):
        yield "Idempotency-Replayed"
    if "If-Match" in one.headers:
        yield "ETag"
    name = one.handler.fn.__name__
    if name not in _WAITING or status == HTTP_202_ACCEPTED:
        yield from HEADERS.get(name, ())


def file(one: Operation) -> File | None:
    """Return what an operation answers in bytes, None where it answers JSON or nothing."""
    found = FILES.get(one.name.removesuffix("_head"))
    return found or (File() if one.answer is Empty else None)
