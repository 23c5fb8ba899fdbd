"""Typed identifiers, so that two ids can't be swapped, and the ids that are made from what they name."""

import secrets
import time
from typing import NewType
from uuid import UUID, uuid5

AccountId = NewType("AccountId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
DraftId = NewType("DraftId", UUID)
GenerationId = NewType("GenerationId", UUID)
VariantId = NewType("VariantId", UUID)
StageRunId = NewType("StageRunId", UUID)
ScheduleId = NewType("ScheduleId", UUID)
ArtefactId = NewType("ArtefactId", UUID)
DeadLetterId = NewType("DeadLetterId", UUID)

_NAMESPACE = UUID("6f1d1c52-0f0e-5c8e-9a3b-7a5d1f2f4c11")


def derived(*parts: object) -> UUID:
    """Return the id that these parts always make: version 5, over their texts joined by an ASCII unit separator."""
    return uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts))


def fresh() -> UUID:
    """Return a new time-ordered id: UUID version 7 (RFC 9562, section 5.7)."""
    millis = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (millis & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=value)
