"""Who may call which route: every route of the API stands here, with what it takes to get as far as its object.

A new route fails tests/api/security/test_matrix.py until it is entered:
- PUBLIC: it needs no key (it may need a signature or a token of its own).
- PERSONAL: anybody with a key or session, about his own; with an id in its path it is 404 for everybody else.
- ADMIN: administrators alone.
What needs somebody known has the scope that it asks of a key behind it: written by hand, so that a wrong one is seen.
An id in a path is named by its parameter and made in `objects` of the test. Where a route looks at its body before it
looks for its object, BODIES has one that it takes.
"""

from dataclasses import dataclass, field
from typing import Any

PUBLIC = """
    GET /
    GET /billing
    GET /drafts/{draft_id:uuid}
    GET /files/{token:str}
    HEAD /files/{token:str}
    GET /health/live
    HEAD /health/live
    GET /health/ready
    HEAD /health/ready
    GET /login
    GET /metrics
    GET /plans
    GET /problems
    HEAD /problems
    GET /password-reset
    POST /password-reset
    GET /password-reset/confirm
    POST /password-reset/confirm
    GET /problems/{code:str}
    HEAD /problems/{code:str}
    GET /schema
    HEAD /schema
    GET /schema/openapi.json
    HEAD /schema/openapi.json
    GET /schema/{name:str}
    HEAD /schema/{name:str}
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
    POST /v1/account/delete account:write
    GET /v1/account/export *
    POST /v1/account/export *
    POST /v1/account/restore account:write
    GET /v1/api-keys account:read
    POST /v1/api-keys account:write
    GET /v1/api-keys/{key_id:uuid} account:read
    DELETE /v1/api-keys/{key_id:uuid} account:write
    POST /v1/auth/logout account:write
    POST /v1/auth/step-up account:write
    GET /v1/brand-kits drafts:read
    POST /v1/brand-kits drafts:write
    GET /v1/brand-kits/{brand_kit_id:uuid} drafts:read
    PATCH /v1/brand-kits/{brand_kit_id:uuid} drafts:write
    DELETE /v1/brand-kits/{brand_kit_id:uuid} drafts:write
    POST /v1/calculate-cost generations:read
    POST /v1/create generations:write
    GET /v1/credits/balance billing:read
    GET /v1/credits/transactions billing:read
    GET /v1/credits/transactions/{transaction:int} billing:read
    GET /v1/drafts drafts:read
    POST /v1/drafts drafts:write
    GET /v1/drafts/{draft_id:uuid} drafts:read
    PATCH /v1/drafts/{draft_id:uuid} drafts:write
    DELETE /v1/drafts/{draft_id:uuid} drafts:write
    GET /v1/drafts/{draft_id:uuid}/variants drafts:read
    GET /v1/drafts/{draft_id:uuid}/ingestion drafts:read
    POST /v1/drafts/{draft_id:uuid}/ingestion/retry generations:write
    GET /v1/drafts/{draft_id:uuid}/pipeline drafts:read
    POST /v1/drafts/{draft_id:uuid}/pipeline/pause generations:write
    POST /v1/drafts/{draft_id:uuid}/pipeline/resume generations:write
    POST /v1/drafts/{draft_id:uuid}/pipeline/{stage:str}/start generations:write
    GET /v1/generations generations:read
    GET /v1/generations/{generation_id:uuid} generations:read
    POST /v1/generations/{generation_id:uuid}/cancel generations:write
    GET /v1/generations/{generation_id:uuid}/captions.srt generations:read
    HEAD /v1/generations/{generation_id:uuid}/captions.srt generations:read
    GET /v1/generations/{generation_id:uuid}/captions.vtt generations:read
    HEAD /v1/generations/{generation_id:uuid}/captions.vtt generations:read
    GET /v1/generations/{generation_id:uuid}/events generations:read
    POST /v1/generations/{generation_id:uuid}/events/ticket generations:read
    GET /v1/generations/{generation_id:uuid}/inspection.png generations:read
    HEAD /v1/generations/{generation_id:uuid}/inspection.png generations:read
    GET /v1/generations/{generation_id:uuid}/manifest.json generations:read
    HEAD /v1/generations/{generation_id:uuid}/manifest.json generations:read
    POST /v1/generations/{generation_id:uuid}/pause generations:write
    POST /v1/generations/{generation_id:uuid}/resume generations:write
    GET /v1/generations/{generation_id:uuid}/thumbnail generations:read
    HEAD /v1/generations/{generation_id:uuid}/thumbnail generations:read
    GET /v1/generations/{generation_id:uuid}/thumbnail/wide generations:read
    HEAD /v1/generations/{generation_id:uuid}/thumbnail/wide generations:read
    GET /v1/generations/{generation_id:uuid}/thumbnails/{rank:int} generations:read
    HEAD /v1/generations/{generation_id:uuid}/thumbnails/{rank:int} generations:read
    GET /v1/generations/{generation_id:uuid}/video generations:read
    HEAD /v1/generations/{generation_id:uuid}/video generations:read
    GET /v1/generations/{generation_id:uuid}/video/url generations:read
    POST /v1/ingestions generations:write
    GET /v1/library/assets library:read
    POST /v1/library/assets library:write
    GET /v1/library/assets/{asset_id:uuid} library:read
    PATCH /v1/library/assets/{asset_id:uuid} library:write
    DELETE /v1/library/assets/{asset_id:uuid} library:write
    GET /v1/library/assets/{asset_id:uuid}/url library:read
    GET /v1/limits generations:read
    GET /v1/me account:read
    PATCH /v1/me account:write
    GET /v1/me/sessions account:read
    DELETE /v1/me/sessions/{session_id:uuid} account:write
    GET /v1/media media:read
    POST /v1/media media:write
    GET /v1/media/{media_id:uuid} media:read
    DELETE /v1/media/{media_id:uuid} media:write
    GET /v1/media/{media_id:uuid}/url media:read
    GET /v1/music media:read
    POST /v1/music media:write
    GET /v1/music/{track_id:uuid} media:read
    DELETE /v1/music/{track_id:uuid} media:write
    GET /v1/music/{track_id:uuid}/preview media:read
    GET /v1/music/{track_id:uuid}/preview/audio media:read
    HEAD /v1/music/{track_id:uuid}/preview/audio media:read
    GET /v1/notification-preferences account:read
    PATCH /v1/notification-preferences account:write
    POST /v1/payments/boost billing:write
    POST /v1/payments/buy-credits billing:write
    POST /v1/payments/cancel billing:write
    POST /v1/payments/change-plan billing:write
    GET /v1/payments/plans billing:read
    POST /v1/payments/portal billing:write
    POST /v1/payments/resume billing:write
    POST /v1/payments/subscribe billing:write
    GET /v1/providers generations:read
    GET /v1/providers/models generations:read
    GET /v1/providers/status generations:read
    POST /v1/regenerate generations:write
    GET /v1/schedules schedules:read
    POST /v1/schedules schedules:write
    GET /v1/schedules/{schedule_id:uuid} schedules:read
    PATCH /v1/schedules/{schedule_id:uuid} schedules:write
    DELETE /v1/schedules/{schedule_id:uuid} schedules:write
    POST /v1/schedules/{schedule_id:uuid}/pause schedules:write
    POST /v1/schedules/{schedule_id:uuid}/resume schedules:write
    GET /v1/schedules/{schedule_id:uuid}/runs schedules:read
    GET /v1/stage-runs generations:read
    GET /v1/stage-runs/{stage_run_id:uuid} generations:read
    POST /v1/stage-runs/{stage_run_id:uuid}/cancel generations:write
    GET /v1/usage/by-action billing:read
    GET /v1/usage/daily billing:read
    GET /v1/usage/export.csv billing:read
    GET /v1/usage/projection billing:read
    GET /v1/variants/{variant_id:uuid} drafts:read
    PATCH /v1/variants/{variant_id:uuid} drafts:write
    POST /v1/variants/{variant_id:uuid}/regenerate generations:write
    GET /v1/variants/{variant_id:uuid}/scenes drafts:read
    POST /v1/variants/{variant_id:uuid}/scenes/reorder drafts:write
    PATCH /v1/variants/{variant_id:uuid}/scenes/{position:int} drafts:write
    POST /v1/variants/{variant_id:uuid}/scenes/{position:int}/regenerate generations:write
    GET /v1/voices media:read
    POST /v1/voices media:write
    GET /v1/voices/{voice_id:uuid} media:read
    PATCH /v1/voices/{voice_id:uuid} media:write
    DELETE /v1/voices/{voice_id:uuid} media:write
    PUT /v1/voices/{voice_id:uuid}/default media:write
    POST /v1/voices/{voice_id:uuid}/preview media:write
    GET /v1/voices/previews/{preview_id:uuid} media:read
    GET /v1/voices/previews/{preview_id:uuid}/audio media:read
    HEAD /v1/voices/previews/{preview_id:uuid}/audio media:read
    GET /v1/webhooks webhooks:read
    POST /v1/webhooks webhooks:write
    GET /v1/webhooks/{webhook_id:uuid} webhooks:read
    PATCH /v1/webhooks/{webhook_id:uuid} webhooks:write
    DELETE /v1/webhooks/{webhook_id:uuid} webhooks:write
    GET /v1/webhooks/{webhook_id:uuid}/deliveries webhooks:read
    POST /v1/webhooks/{webhook_id:uuid}/rotate-secret webhooks:write
    POST /v1/webhooks/{webhook_id:uuid}/test webhooks:write
    POST /v1/webhooks/deliveries/{delivery_id:uuid}/replay webhooks:write
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
    GET /v1/admin/action-costs admin
    POST /v1/admin/action-costs admin
    GET /v1/admin/actions admin
    GET /v1/admin/dead-letters admin
    GET /v1/admin/dead-letters/{letter:str} admin
    POST /v1/admin/dead-letters/{letter:str}/redrive admin
    POST /v1/admin/generations/{generation_id:uuid}/refund admin
    PATCH /v1/admin/providers/{provider:str} admin
    PATCH /v1/admin/providers/{provider:str}/models/{model:str} admin
    GET /v1/admin/stripe-events admin
    POST /v1/admin/stripe-events/{event:str}/replay admin
    GET /v1/admin/usage admin
    GET /v1/admin/usage/requests admin
    GET /v1/admin/usage/top-consumers admin
    GET /v1/admin/usage/tracking-failures admin
    GET /v1/admin/users admin
    GET /v1/admin/users/{user_id:uuid} admin
    POST /v1/admin/users/{user_id:uuid}/boosts admin
    DELETE /v1/admin/users/{user_id:uuid}/boosts/{boost_id:uuid} admin
    POST /v1/admin/users/{user_id:uuid}/credits admin
    POST /v1/admin/users/{user_id:uuid}/delete admin
    PUT /v1/admin/users/{user_id:uuid}/demo admin
    PUT /v1/admin/users/{user_id:uuid}/plan admin
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
    """One method of one path template, and the scope that a key needs for it."""

    method: str
    template: str
    scope: str = field(default="", compare=False)

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
