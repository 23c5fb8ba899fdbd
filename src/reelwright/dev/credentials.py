"""The server's token and its two signing keys, kept in one private file, and the signature made with them."""

import base64
import secrets
import time
from hashlib import sha256
from pathlib import Path

import jwt
import msgspec

from reelwright.dev import child

_LIFETIME_S = 300


def _signing_key() -> str:
    return f"sig_{secrets.token_hex(14)}"


class Credentials(msgspec.Struct, kw_only=True):
    """What a publisher shows (token) and what a receiver checks with (current, then next)."""

    token: str = msgspec.field(default_factory=lambda: secrets.token_urlsafe(32))
    current: str = msgspec.field(default_factory=_signing_key)
    next: str = msgspec.field(default_factory=_signing_key)

    @classmethod
    def kept_in(cls, file: Path) -> "Credentials":
        """Return the ones in the file (0600), made on first use."""
        if not file.exists():
            child.write_private(file, msgspec.json.encode(cls()).decode())
        return msgspec.json.decode(file.read_bytes(), type=cls)

    def rotate(self, file: Path) -> None:
        """Let the next key become the current one, with a new next, in the file too."""
        self.current, self.next = self.next, _signing_key()
        child.write_private(file, msgspec.json.encode(self).decode())

    def signature(self, *, url: str, body: bytes) -> str:
        """Sign one delivery attempt: HS256 over issuer, exact URL, five minutes of life and the raw body's hash."""
        issued = int(time.time())
        claims = {"iss": "Upstash", "sub": url, "iat": issued, "nbf": 0, "exp": issued + _LIFETIME_S}
        claims |= {"jti": f"jwt_{secrets.token_hex(14)}"}
        claims |= {"body": base64.urlsafe_b64encode(sha256(body).digest()).decode()}
        return jwt.encode(claims, self.current, algorithm="HS256")
