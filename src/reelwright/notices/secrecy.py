"""How the secrets that sign webhooks rest with us: encrypted, known by their first byte from those of before."""

import secrets
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.sealing import Seal
from reelwright.notices.deliveries import Parcel
from reelwright.notices.endpoints import apart

_PURPOSE = "webhooks"
_NONCE_BYTES = 12
_MARK = b"\x01"
_SEALED_BYTES = 61
"""The mark, a nonce, a secret of 32 bytes and its tag of 16. No secret of before was as long."""
_OPEN = text(
    """
    SELECT id, secret, secret_before FROM webhook_endpoints
     WHERE octet_length(secret) <> :sealed OR octet_length(secret_before) % :sealed <> 0
     ORDER BY id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    """
)
_SEAL = text("UPDATE webhook_endpoints SET secret = :secret, secret_before = :before WHERE id = :id")


def sealed(secret: bytes, seal: Seal) -> bytes:
    """Return a secret as it is stored; one that is sealed already stays as it is."""
    if _is_sealed(secret):
        return secret
    return _MARK + seal.encrypted(_PURPOSE, secret, nonce=secrets.token_bytes(_NONCE_BYTES))


def opened(parcel: Parcel, seal: Seal | None) -> Parcel:
    """Return a claimed delivery with the secrets that sign it. Raises BrokenSealError."""
    before = tuple(_opened(each, seal) for each in parcel.secrets_before)
    return replace(parcel, secret=_opened(parcel.secret, seal), secrets_before=before)


async def seal_old(tx: AsyncConnection, seal: Seal, *, limit: int) -> int:
    """Encrypt some secrets of before; return how many endpoints had one."""
    found = (await tx.execute(_OPEN, {"sealed": _SEALED_BYTES, "limit": limit})).all()
    for row in found:
        before = b"".join(sealed(each, seal) for each in apart(row.secret_before, len(row.secret)))
        await tx.execute(_SEAL, {"id": row.id, "secret": sealed(row.secret, seal), "before": before or None})
    return len(found)


def _is_sealed(kept: bytes) -> bool:
    return len(kept) == _SEALED_BYTES and kept.startswith(_MARK)


def _opened(kept: bytes, seal: Seal | None) -> bytes:
    return kept if seal is None or not _is_sealed(kept) else seal.decrypted(_PURPOSE, kept[len(_MARK) :])
