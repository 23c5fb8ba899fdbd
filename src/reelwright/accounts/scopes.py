"""What a key may do: scopes, and which of them hold others."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One thing that a key may be allowed to do. To write is to read, too; `*` is everything its account may do."""

    GENERATIONS_READ = "generations:read"
    GENERATIONS_WRITE = "generations:write"
    DRAFTS_READ = "drafts:read"
    DRAFTS_WRITE = "drafts:write"
    LIBRARY_READ = "library:read"
    LIBRARY_WRITE = "library:write"
    MEDIA_READ = "media:read"
    MEDIA_WRITE = "media:write"
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"
    ADMIN = "admin"
    ALL = "*"


def covers(held: Iterable[str], wanted: str) -> bool:
    """Say whether who holds these scopes may do what asks for that one."""
    given = frozenset(held)
    if Scope.ALL in given or wanted in given:
        return True
    area, _, verb = wanted.partition(":")
    return verb == "read" and f"{area}:write" in given
