"""The server's token and its two signing keys, kept in one private file, and the signature made with them."""

import base64
import json
import secrets
import string
import time
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import jwt

from reelwright.dev import child

_LIFETIME_S = 300
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a publisher shows (token) and what a receiver checks with (current, then next)."""

    token: str
    current: str
    next: str

    @classmethod
    def kept_in(cls, file: Path) -> "Credentials":
        """Return the ones in the file, made on first use."""
        if file.exists():
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        made = cls(token=secrets.token_urlsafe(32), current=_signing_key(), next=_signing_key())
        made.keep_in(file)
        return made

    def keep_in(self, file: Path) -> None:
        """Write them down, 0600."""
        child.write_private(file, json.dumps(asdict(self)))

    def rotated(self) -> "Credentials":
        """Let the next key become the current one, with a new next."""
        return replace(self, current=self.next, next=_signing_key())

    def signature(self, *, url: str, body: bytes) -> str:
        """Sign one delivery attempt: HS256 over issuer, exact URL, five minutes of life and the raw body's hash."""
        issued = int(time.time())
        claims = {
            "iss": "Upstash",
            "sub": url,
            "iat": issued,
            "nbf": 0,
            "exp": issued + _LIFETIME_S,
            "jti": f"jwt_{secrets.token_hex(14)}",
            "body": base64.urlsafe_b64encode(sha256(body).digest()).decode(),
        }
        return jwt.encode(claims, self.current, algorithm="HS256")


def _signing_key() -> str:
    return "sig_" + "".join(secrets.choice(_LETTERS) for _ in range(28))
