"""The simulated account's secrets, kept in one private file: the API key, and what signs its webhooks."""

import secrets
from pathlib import Path

import msgspec

from reelwright.dev import child


class Keys(msgspec.Struct, kw_only=True, frozen=True):
    """Made on first use. Neither opens anything at the real Stripe."""

    secret_key: str = msgspec.field(default_factory=lambda: f"sk_test_simulated{secrets.token_hex(16)}")
    webhook_secret: str = msgspec.field(default_factory=lambda: f"whsec_{secrets.token_hex(24)}")

    @classmethod
    def kept_in(cls, file: Path) -> "Keys":
        """Return the ones in the file (0600), made on first use."""
        if not file.exists():
            child.write_private(file, msgspec.json.encode(cls()).decode())
        return msgspec.json.decode(file.read_bytes(), type=cls)
