"""What goes out and must come back unchanged is signed; what rests with us and must not be read there is encrypted.

One secret gives a key to each purpose (HKDF, RFC 5869), so that what was sealed for one opens for no other.
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1
_TIME_BYTES = 8
_MARK_BYTES = 16
"""As long as HMAC-SHA-256 may be cut to by NIST SP 800-107, 5.3.3, with room: guessing one takes 2**128 tries."""


class BrokenSealError(Exception):
    """What was encrypted can't be read: another secret made it, or it was changed."""


class Seal:
    """A secret at work. During a rotation what the previous one has sealed still opens."""

    def __init__(self, secret: str, *, previous: str | None = None) -> None:
        self._secrets = [secret.encode()] + ([previous.encode()] if previous else [])
        self._keys: dict[str, list[bytes]] = {}

    def signed(self, purpose: str, payload: bytes, *, until: datetime) -> str:
        """Return a token for this payload, safe in a URL, that opens until then. The payload can be read by all."""
        body = int(until.timestamp()).to_bytes(_TIME_BYTES, "big") + payload
        return _text(body) + "." + _text(_mac(self._of(purpose)[0], body))

    def opened(self, purpose: str, token: str, *, now: datetime) -> bytes | None:
        """Return a token's payload; None for one that is over, was changed, or was made for another purpose."""
        body_text, _, mac_text = token.partition(".")
        body, mac = _bytes(body_text), _bytes(mac_text)
        if body is None or mac is None or len(body) < _TIME_BYTES:
            return None
        if not any(hmac.compare_digest(_mac(key, body), mac) for key in self._of(purpose)):
            return None
        if now.astimezone(UTC).timestamp() >= int.from_bytes(body[:_TIME_BYTES], "big"):
            return None
        return body[_TIME_BYTES:]

    def marked(self, purpose: str, payload: bytes, *, about: bytes) -> str:
        """Return a token for this payload, safe in a URL, that opens for ever, and about nothing else."""
        return _text(payload + _mark(self._of(purpose)[0], payload, about))

    def unmarked(self, purpose: str, token: str, *, about: bytes) -> bytes | None:
        """Return what was marked; None for a token about something else, and for what never was one."""
        raw = _bytes(token)
        if raw is None or len(raw) < _MARK_BYTES:
            return None
        payload, mark = raw[:-_MARK_BYTES], raw[-_MARK_BYTES:]
        fits = any(hmac.compare_digest(_mark(key, payload, about), mark) for key in self._of(purpose))
        return payload if fits else None

    def encrypted(self, purpose: str, plain: bytes, *, nonce: bytes) -> bytes:
        """Return it as AES-256-GCM made it, behind its nonce: 12 random bytes, never the same ones twice."""
        if len(nonce) != _NONCE_BYTES:
            raise ValueError(f"a nonce of {len(nonce)} bytes")
        return nonce + AESGCM(self._of(purpose)[0]).encrypt(nonce, plain, purpose.encode())

    def decrypted(self, purpose: str, sealed: bytes) -> bytes:
        """Return what was encrypted. Raises BrokenSealError."""
        return self._decrypted(purpose, sealed)[0]

    def renewed(self, purpose: str, sealed: bytes, *, nonce: bytes) -> bytes | None:
        """Return it encrypted anew, where the previous secret made it; else None. Raises BrokenSealError."""
        plain, age = self._decrypted(purpose, sealed)
        return self.encrypted(purpose, plain, nonce=nonce) if age else None

    def _decrypted(self, purpose: str, sealed: bytes) -> tuple[bytes, int]:
        """Return what was encrypted, and by which of the secrets."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for age, key in enumerate(self._of(purpose)):
            try:
                return AESGCM(key).decrypt(nonce, rest, purpose.encode()), age
            except (InvalidTag, ValueError):
                continue
        raise BrokenSealError(purpose)

    def _of(self, purpose: str) -> list[bytes]:
        if purpose not in self._keys:
            self._keys[purpose] = [
                HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"reelwright {purpose}".encode()).derive(
                    one
                )
                for one in self._secrets
            ]
        return self._keys[purpose]


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, sha256)


def _mark(key: bytes, payload: bytes, about: bytes) -> bytes:
    return _mac(key, sha256(about).digest() + payload)[:_MARK_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes | None:
    """Return what the text stands for; None for any other spelling of it than ours, so that no token has two."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if _text(raw) == text else None
