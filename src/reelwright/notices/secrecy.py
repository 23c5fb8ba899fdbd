"""How the secrets that sign webhooks rest with us: encrypted, known by their first byte from those of before."""

import secrets
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.sealing import BrokenSealError, Seal
from reelwright.notices.deliveries import Parcel
from reelwright.notices.endpoints import apart

_PURPOSE = "webhooks"
_NONCE_BYTES = 12
_MARK = b"\x01"
_SEALED_BYTES = 61
"""The mark, a nonce, a secret of 32 bytes and its tag of 16. No secret of before was as long."""
_FOUND = """
    SELECT id, secret, secret_before, secret_before_until <= clock_timestamp() AS over FROM webhook_endpoints
"""
_PAGE = text(f"{_FOUND} WHERE id > :after ORDER BY id LIMIT :limit")
_LOCK = text(f"{_FOUND} WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED")
_SEAL = text(
    """
    UPDATE webhook_endpoints
       SET secret = :secret, secret_before = :before,
           secret_before_until = CASE WHEN CAST(:before AS bytea) IS NOT NULL THEN secret_before_until END
     WHERE id = :id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was found on a page of endpoints. `last`: behind whom the next page begins, None where this is the last.

    `old`: how many had a secret that the present key hadn't sealed; `unreadable`: who has one that no key opens.
    """

    last: UUID | None
    old: int
    unreadable: tuple[UUID, ...]


def sealed(secret: bytes, seal: Seal) -> bytes:
    """Return a secret as it is stored; one that is sealed already stays as it is."""
    if _is_sealed(secret):
        return secret
    return _MARK + seal.encrypted(_PURPOSE, secret, nonce=_nonce())


def opened(parcel: Parcel, seal: Seal | None) -> Parcel:
    """Return a claimed delivery with the secrets that sign it: of those before, the ones that open.

    Raises BrokenSealError.
    """
    before = tuple(plain for each in parcel.secrets_before if (plain := _opened(each, seal)) is not None)
    secret = _opened(parcel.secret, seal)
    if secret is None:
        raise BrokenSealError(_PURPOSE)
    return replace(parcel, secret=secret, secrets_before=before)


async def seal_anew(tx: AsyncConnection, seal: Seal, *, after: UUID, limit: int) -> Page:
    """Seal by the present key what another or none has sealed, on one page of endpoints; drop what signs no more.

    Nothing is locked but what is written, and what somebody else has locked is left to the next time.
    """
    page = (await tx.execute(_PAGE, {"after": after, "limit": limit})).all()
    looked = [_Looked.at(row, seal) for row in page]
    if wanting := [one.id for one in looked if one.change is not None]:
        found = await tx.execute(_LOCK, {"ids": wanting})
        changes = [change for row in found if (change := _Looked.at(row, seal).change) is not None]
        if changes:
            await tx.execute(_SEAL, changes)
    return Page(
        last=page[-1].id if len(page) == limit else None,
        old=sum(one.old for one in looked),
        unreadable=tuple(one.id for one in looked if not one.readable),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """An endpoint's secrets, and how they should rest: `change`, where that is otherwise than they do."""

    id: UUID
    old: bool
    readable: bool
    change: dict[str, Any] | None

    @classmethod
    def at(cls, row: Row[Any], seal: Seal) -> "_Looked":
        kept = (row.secret, *(() if row.over else apart(row.secret_before, len(row.secret))))
        anew = [_anew(each, seal) for each in kept]
        rests = [new or each for new, each in zip(anew, kept, strict=True)]
        old = rests != list(kept)
        change = {"id": row.id, "secret": rests[0], "before": b"".join(rests[1:]) or None}
        return cls(id=row.id, old=old, readable=None not in anew, change=change if old or row.over else None)


def _anew(kept: bytes, seal: Seal) -> bytes | None:
    """Return a secret as it should rest; None for one that nobody can open."""
    if not _is_sealed(kept):
        return sealed(kept, seal)
    try:
        renewed = seal.renewed(_PURPOSE, kept[len(_MARK) :], nonce=_nonce())
    except BrokenSealError:
        return None
    return kept if renewed is None else _MARK + renewed


def _is_sealed(kept: bytes) -> bool:
    return len(kept) == _SEALED_BYTES and kept.startswith(_MARK)


def _opened(kept: bytes, seal: Seal | None) -> bytes | None:
    if seal is None or not _is_sealed(kept):
        return kept
    try:
        return seal.decrypted(_PURPOSE, kept[len(_MARK) :])
    except BrokenSealError:
        return None


def _nonce() -> bytes:
    return secrets.token_bytes(_NONCE_BYTES)
