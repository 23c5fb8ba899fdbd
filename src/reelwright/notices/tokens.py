"""Tokens in letters: signed as a letter is written and never stored, so that no copy of the rows lets anybody in."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from reelwright.ground.sealing import Seal
from reelwright.notices.model import Kind

_PURPOSES: Mapping[Kind, str] = MappingProxyType(
    {Kind.VERIFY_ADDRESS: "proof of address", Kind.PASSWORD_RESET: "password reset"}
)


def with_token(kind: Kind, facts: Mapping[str, object], seal: Seal | None) -> Mapping[str, object]:
    """Return a notice's facts with the token that its letter carries, if it carries one: for `proof`, until `until`.

    Raises ValueError where nobody can sign it.
    """
    purpose = _PURPOSES.get(kind)
    if purpose is None:
        return facts
    if seal is None:
        raise ValueError(f"{kind} needs a signature")
    until = datetime.fromisoformat(str(facts["until"]))
    return {**facts, "token": seal.signed(purpose, UUID(str(facts["proof"])).bytes, until=until)}


def proof_in(token: str, kind: Kind, seal: Seal, *, now: datetime) -> UUID | None:
    """Return the proof that a letter's token stands for; None for one that is over, changed or of another kind."""
    payload = seal.opened(_PURPOSES[kind], token, now=now)
    return None if payload is None or len(payload) != len(UUID(int=0).bytes) else UUID(bytes=payload)
