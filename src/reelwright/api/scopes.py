"""Which scope each route asks of an API key: one table, from a path's first segment below /v1 and the method's kind.

A route that asks for another names it itself, in its `opt`: whatever begins, pauses or goes on with an order does.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from litestar import Router

from reelwright.accounts import Scope

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_GENERATIONS = (Scope.GENERATIONS_READ, Scope.GENERATIONS_WRITE)
_DRAFTS = (Scope.DRAFTS_READ, Scope.DRAFTS_WRITE)
_LIBRARY = (Scope.LIBRARY_READ, Scope.LIBRARY_WRITE)
_MEDIA = (Scope.MEDIA_READ, Scope.MEDIA_WRITE)
_SCHEDULES = (Scope.SCHEDULES_READ, Scope.SCHEDULES_WRITE)
_WEBHOOKS = (Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE)
_BILLING = (Scope.BILLING_READ, Scope.BILLING_WRITE)
_ACCOUNT = (Scope.ACCOUNT_READ, Scope.ACCOUNT_WRITE)

SCOPES: Mapping[str, tuple[Scope, Scope]] = {
    "create": _GENERATIONS,
    "regenerate": _GENERATIONS,
    "generations": _GENERATIONS,
    "pipeline": _GENERATIONS,
    "stage-runs": _GENERATIONS,
    "ingestion": _GENERATIONS,
    "ingestions": _GENERATIONS,
    "limits": _GENERATIONS,
    "providers": _GENERATIONS,
    "calculate-cost": (Scope.GENERATIONS_READ, Scope.GENERATIONS_READ),  # a quote, sent by POST, changes nothing
    "drafts": _DRAFTS,
    "brand-kits": _DRAFTS,
    "variants": _DRAFTS,
    "scenes": _DRAFTS,
    "library": _LIBRARY,
    "media": _MEDIA,
    "files": _MEDIA,
    "voices": _MEDIA,
    "music": _MEDIA,
    "schedules": _SCHEDULES,
    "webhooks": _WEBHOOKS,
    "credits": _BILLING,
    "usage": _BILLING,
    "payments": _BILLING,
    "me": _ACCOUNT,
    "auth": _ACCOUNT,
    "account": _ACCOUNT,
    "api-keys": _ACCOUNT,
    "notification-preferences": _ACCOUNT,
    "admin": (Scope.ADMIN, Scope.ADMIN),
}
"""By first segment: the scope for reading, and the one for everything else."""


def scope_of(path: str, method: str, opt: Mapping[str, Any]) -> Scope:
    """Return the scope that a route below /v1 asks for. Raises KeyError for a segment that is not in the table."""
    reading, writing = SCOPES[_segment(path)]
    return opt.get("scope") or (reading if method in _READING else writing)


def checked(router: Router) -> Router:
    """Return the router. Raises LookupError where one of its routes has no scope."""
    unlisted = _unlisted(route.path for route in router.routes)
    if unlisted:
        raise LookupError(f"api/scopes.py has no scope for {', '.join(unlisted)}")
    return router


def _unlisted(paths: Iterable[str]) -> list[str]:
    return sorted({segment for path in paths if (segment := _segment(path)) not in SCOPES})


def _segment(path: str) -> str:
    return path.removeprefix("/v1/").partition("/")[0]
