"""Typed identifiers, so that two ids can't be swapped, and the ids that are made from what they name."""

import secrets
import time
from hashlib import sha1
from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)
DraftId = NewType("DraftId", UUID)
GenerationId = NewType("GenerationId", UUID)
VariantId = NewType("VariantId", UUID)
StageRunId = NewType("StageRunId", UUID)
ScheduleId = NewType("ScheduleId", UUID)
ArtefactId = NewType("ArtefactId", UUID)
DeadLetterId = NewType("DeadLetterId", UUID)

_NAMESPACE = UUID("6f1d1c52-0f0e-5c8e-9a3b-7a5d1f2f4c11").bytes
_MARKED, _MARKS = ~(0xF << 76 | 0b11 << 62), 0x5 << 76 | 0b10 << 62  # version and variant


def derived(*parts: object) -> UUID:
    """Return the id that these parts always make: version 5, over their texts joined by an ASCII unit separator.

    As `uuid.uuid5` (RFC 9562, section 5.5) in half its time, for an order makes four.
    """
    name = _NAMESPACE + "\x1f".join(map(str, parts)).encode()
    made = int.from_bytes(sha1(name, usedforsecurity=False).digest()[:16], "big")
    return UUID(int=made & _MARKED | _MARKS)


def fresh() -> UUID:
    """Return a new time-ordered id: UUID version 7 (RFC 9562, section 5.7), two of one process in their order.

    Twelve of its random bits tell a quarter of a microsecond instead (section 6.2, method 3).
    """
    millis, nanos = divmod(time.time_ns(), 1_000_000)
    fraction = (nanos << 12) // 1_000_000
    value = (millis & (1 << 48) - 1) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return UUID(int=value)
