"""Who may call which route: every route of the API stands here, with what it takes to get as far as its object.

A new route fails tests/api/security/test_matrix.py until it is entered:
- PUBLIC: it needs no key (it may need a signature or a token of its own).
- PERSONAL: anybody with a key or session, about his own; with an id in its path it is 404 for everybody else.
- ADMIN: administrators alone.
An id in a path is named by its parameter and made in `objects` of the test. Where a route looks at its body before it
looks for its object, BODIES has one that it takes.
"""

from dataclasses import dataclass
from typing import Any

PUBLIC = """
    GET /
    GET /billing
    GET /drafts/{draft_id:uuid}
    GET /files/{token:str}
    HEAD /files/{token:str}
    GET /health/live
    GET /health/ready
    GET /login
    GET /metrics
    GET /plans
    GET /problems
    GET /password-reset
    POST /password-reset
    GET /password-reset/confirm
    POST /password-reset/confirm
    GET /problems/{code:str}
    GET /schema
    GET /schema/openapi.json
    GET /schema/{name:str}
    GET /schedules
    GET /settings/notifications
    GET /settings/webhooks
    GET /v1/generations/{generation_id:uuid}/events/{ticket:str}
    GET /verify
    POST /verify
    POST /v1/auth/login
    POST /v1/auth/password-reset
    POST /v1/auth/password-reset/confirm
    POST /v1/auth/register
    POST /v1/auth/verify
    POST /webhooks/stripe
"""

PERSONAL = """
    POST /v1/account/delete
    GET /v1/account/export
    POST /v1/account/export
    POST /v1/account/restore
    GET /v1/api-keys
    POST /v1/api-keys
    GET /v1/api-keys/{key_id:uuid}
    DELETE /v1/api-keys/{key_id:uuid}
    POST /v1/auth/logout
    POST /v1/auth/step-up
    GET /v1/brand-kits
    POST /v1/brand-kits
    GET /v1/brand-kits/{brand_kit_id:uuid}
    PATCH /v1/brand-kits/{brand_kit_id:uuid}
    DELETE /v1/brand-kits/{brand_kit_id:uuid}
    POST /v1/calculate-cost
    POST /v1/create
    GET /v1/credits/balance
    GET /v1/credits/transactions
    GET /v1/credits/transactions/{transaction:int}
    GET /v1/drafts
    POST /v1/drafts
    GET /v1/drafts/{draft_id:uuid}
    PATCH /v1/drafts/{draft_id:uuid}
    DELETE /v1/drafts/{draft_id:uuid}
    GET /v1/drafts/{draft_id:uuid}/variants
    GET /v1/drafts/{draft_id:uuid}/ingestion
    POST /v1/drafts/{draft_id:uuid}/ingestion/retry
    GET /v1/drafts/{draft_id:uuid}/pipeline
    POST /v1/drafts/{draft_id:uuid}/pipeline/pause
    POST /v1/drafts/{draft_id:uuid}/pipeline/resume
    POST /v1/drafts/{draft_id:uuid}/pipeline/{stage:str}/start
    GET /v1/generations
    GET /v1/generations/{generation_id:uuid}
    POST /v1/generations/{generation_id:uuid}/cancel
    GET /v1/generations/{generation_id:uuid}/captions.srt
    GET /v1/generations/{generation_id:uuid}/captions.vtt
    GET /v1/generations/{generation_id:uuid}/events
    POST /v1/generations/{generation_id:uuid}/events/ticket
    GET /v1/generations/{generation_id:uuid}/inspection.png
    GET /v1/generations/{generation_id:uuid}/manifest.json
    POST /v1/generations/{generation_id:uuid}/pause
    POST /v1/generations/{generation_id:uuid}/resume
    GET /v1/generations/{generation_id:uuid}/thumbnail
    GET /v1/generations/{generation_id:uuid}/thumbnail/wide
    GET /v1/generations/{generation_id:uuid}/thumbnails/{rank:int}
    GET /v1/generations/{generation_id:uuid}/video
    HEAD /v1/generations/{generation_id:uuid}/video
    GET /v1/generations/{generation_id:uuid}/video/url
    POST /v1/ingestions
    GET /v1/library/assets
    POST /v1/library/assets
    GET /v1/library/assets/{asset_id:uuid}
    PATCH /v1/library/assets/{asset_id:uuid}
    DELETE /v1/library/assets/{asset_id:uuid}
    GET /v1/library/assets/{asset_id:uuid}/url
    GET /v1/limits
    GET /v1/me
    PATCH /v1/me
    GET /v1/me/sessions
    DELETE /v1/me/sessions/{session_id:uuid}
    GET /v1/media
    POST /v1/media
    GET /v1/media/{media_id:uuid}
    DELETE /v1/media/{media_id:uuid}
    GET /v1/media/{media_id:uuid}/url
    GET /v1/music
    POST /v1/music
    GET /v1/music/{track_id:uuid}
    DELETE /v1/music/{track_id:uuid}
    GET /v1/music/{track_id:uuid}/preview
    GET /v1/music/{track_id:uuid}/preview/audio
    GET /v1/notification-preferences
    PATCH /v1/notification-preferences
    POST /v1/payments/boost
    POST /v1/payments/buy-credits
    POST /v1/payments/cancel
    POST /v1/payments/change-plan
    GET /v1/payments/plans
    POST /v1/payments/portal
    POST /v1/payments/resume
    POST /v1/payments/subscribe
    GET /v1/providers
    GET /v1/providers/models
    GET /v1/providers/status
    POST /v1/regenerate
    GET /v1/schedules
    POST /v1/schedules
    GET /v1/schedules/{schedule_id:uuid}
    PATCH /v1/schedules/{schedule_id:uuid}
    DELETE /v1/schedules/{schedule_id:uuid}
    POST /v1/schedules/{schedule_id:uuid}/pause
    POST /v1/schedules/{schedule_id:uuid}/resume
    GET /v1/schedules/{schedule_id:uuid}/runs
    GET /v1/stage-runs
    GET /v1/stage-runs/{stage_run_id:uuid}
    POST /v1/stage-runs/{stage_run_id:uuid}/cancel
    GET /v1/usage/by-action
    GET /v1/usage/daily
    GET /v1/usage/export.csv
    GET /v1/usage/projection
    GET /v1/variants/{variant_id:uuid}
    PATCH /v1/variants/{variant_id:uuid}
    POST /v1/variants/{variant_id:uuid}/regenerate
    GET /v1/variants/{variant_id:uuid}/scenes
    POST /v1/variants/{variant_id:uuid}/scenes/reorder
    PATCH /v1/variants/{variant_id:uuid}/scenes/{position:int}
    POST /v1/variants/{variant_id:uuid}/scenes/{position:int}/regenerate
    GET /v1/voices
    POST /v1/voices
    GET /v1/voices/{voice_id:uuid}
    PATCH /v1/voices/{voice_id:uuid}
    DELETE /v1/voices/{voice_id:uuid}
    PUT /v1/voices/{voice_id:uuid}/default
    POST /v1/voices/{voice_id:uuid}/preview
    GET /v1/voices/previews/{preview_id:uuid}
    GET /v1/voices/previews/{preview_id:uuid}/audio
    GET /v1/webhooks
    POST /v1/webhooks
    GET /v1/webhooks/{webhook_id:uuid}
    PATCH /v1/webhooks/{webhook_id:uuid}
    DELETE /v1/webhooks/{webhook_id:uuid}
    GET /v1/webhooks/{webhook_id:uuid}/deliveries
    POST /v1/webhooks/{webhook_id:uuid}/rotate-secret
    POST /v1/webhooks/{webhook_id:uuid}/test
    POST /v1/webhooks/deliveries/{delivery_id:uuid}/replay
"""

LEAVING = """
    GET /v1/me
    GET /v1/account/export
    POST /v1/account/export
    POST /v1/account/restore
    POST /v1/auth/logout
"""
"""What is left to somebody who has closed his own account and logs in again, in an order in which all can be asked."""

ADMIN = """
    GET /v1/admin/action-costs
    POST /v1/admin/action-costs
    GET /v1/admin/actions
    GET /v1/admin/dead-letters
    GET /v1/admin/dead-letters/{letter:str}
    POST /v1/admin/dead-letters/{letter:str}/redrive
    POST /v1/admin/generations/{generation_id:uuid}/refund
    PATCH /v1/admin/providers/{provider:str}
    PATCH /v1/admin/providers/{provider:str}/models/{model:str}
    GET /v1/admin/stripe-events
    POST /v1/admin/stripe-events/{event:str}/replay
    GET /v1/admin/usage
    GET /v1/admin/usage/requests
    GET /v1/admin/usage/top-consumers
    GET /v1/admin/usage/tracking-failures
    GET /v1/admin/users
    GET /v1/admin/users/{user_id:uuid}
    POST /v1/admin/users/{user_id:uuid}/boosts
    DELETE /v1/admin/users/{user_id:uuid}/boosts/{boost_id:uuid}
    POST /v1/admin/users/{user_id:uuid}/credits
    POST /v1/admin/users/{user_id:uuid}/delete
    PUT /v1/admin/users/{user_id:uuid}/demo
    PUT /v1/admin/users/{user_id:uuid}/plan
"""

BODIES: dict[str, dict[str, Any]] = {
    "PATCH /v1/drafts/{draft_id:uuid}": {"tone": "calm"},
    "PATCH /v1/brand-kits/{brand_kit_id:uuid}": {"name": "Mine now"},
    "PATCH /v1/library/assets/{asset_id:uuid}": {"title": "Mine now"},
    "PATCH /v1/schedules/{schedule_id:uuid}": {"name": "Mine now"},
    "PATCH /v1/variants/{variant_id:uuid}": {"title": "Mine now"},
    "POST /v1/variants/{variant_id:uuid}/regenerate": {"part": "hook"},
    "POST /v1/variants/{variant_id:uuid}/scenes/reorder": {"order": [1, 0]},
    "PATCH /v1/variants/{variant_id:uuid}/scenes/{position:int}": {"narration": "Mine now."},
    "POST /v1/variants/{variant_id:uuid}/scenes/{position:int}/regenerate": {"part": "text"},
    "POST /v1/voices/{voice_id:uuid}/preview": {"text": "What they said."},
    "PATCH /v1/voices/{voice_id:uuid}": {"name": "Mine now"},
    "PATCH /v1/webhooks/{webhook_id:uuid}": {"enabled": False},
    "POST /v1/generations/{generation_id:uuid}/resume": {},
}

QUERIES: dict[str, tuple[str, ...]] = {"GET /v1/stage-runs": ("generation_id",)}
"""Routes that are asked about an object by a query parameter."""


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """One method of one path template."""

    method: str
    template: str

    @property
    def has_object(self) -> bool:
        return "{" in self.template or str(self) in QUERIES

    @property
    def body(self) -> dict[str, Any] | None:
        """What to send, None for a method that sends nothing."""
        return None if self.method in {"GET", "HEAD", "DELETE"} else BODIES.get(str(self), {})

    def path(self, ids: dict[str, str]) -> str:
        """Return the path with its objects, those of its query too. Raises KeyError for a parameter that has none."""
        parts = (part[1:-1].partition(":")[0] if part[:1] == "{" else None for part in self.template.split("/"))
        named = zip(parts, self.template.split("/"), strict=True)
        path = "/".join(part if name is None else ids[name] for name, part in named)
        asked = [f"{name}={ids[name]}" for name in QUERIES.get(str(self), ())]
        return path + ("?" + "&".join(asked) if asked else "")

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def routes(table: str) -> list[Route]:
    """Return a table's routes: what only reads first, what deletes last."""
    order = {"GET": 0, "HEAD": 0, "DELETE": 2}
    found = [Route(*line.split()) for line in table.strip().splitlines()]
    return sorted(found, key=lambda route: (order.get(route.method, 1), route.template))
