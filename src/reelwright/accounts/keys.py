"""API keys as text: how they are made, how a mistyped one is told from a real one, and how they are stored.

`rw_live_` or `rw_test_`, then 32 random base62 characters (190 bits), then 6 that check them.
"""

import re
import secrets
from hashlib import sha256
from zlib import crc32

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS = 32
_CHECK_CHARACTERS = 6  # 62**6 > 2**32: a CRC-32 always fits
_SHAPE = re.compile(rf"rw_(?:live|test)_[0-9A-Za-z]{{{_RANDOM_CHARACTERS + _CHECK_CHARACTERS}}}")
_SHOWN_CHARACTERS = 12


def new_secret(*, live: bool) -> str:
    """Return a new key."""
    kind = "live" if live else "test"
    body = f"rw_{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return body + _check(body)


def well_formed(secret: str) -> bool:
    """Say whether this can be a key at all, so that garbage never costs a query."""
    return bool(_SHAPE.fullmatch(secret)) and secret[-_CHECK_CHARACTERS:] == _check(secret[:-_CHECK_CHARACTERS])


def hashed(secret: str) -> bytes:
    """Return what is stored: SHA-256, which is enough for a secret of 190 random bits."""
    return sha256(secret.encode()).digest()


def shown(secret: str) -> str:
    """Return the first characters, by which its owner knows it."""
    return secret[:_SHOWN_CHARACTERS]


def _check(body: str) -> str:
    value, digits = crc32(body.encode()), ""
    for _ in range(_CHECK_CHARACTERS):
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
