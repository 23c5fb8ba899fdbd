"""Tokens open once made for this purpose, in time and unchanged; what is encrypted is read by its secret alone."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from reelwright.ground.sealing import BrokenSealError, Seal

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=15)
SEAL = Seal("a secret of at least thirty-two characters")
OTHER = "another secret of thirty-two characters"


def test_a_token_opens_until_its_time_for_its_purpose_alone() -> None:
    token = SEAL.signed("media", b"file", until=UNTIL)
    assert SEAL.opened("media", token, now=UNTIL - timedelta(seconds=1)) == b"file"
    assert SEAL.opened("media", token, now=UNTIL) is None
    assert SEAL.opened("csrf", token, now=NOW) is None
    assert Seal(OTHER).opened("media", token, now=NOW) is None
    assert Seal(OTHER, previous="a secret of at least thirty-two characters").opened("media", token, now=NOW) == b"file"


def test_no_other_text_opens() -> None:
    token = SEAL.signed("media", b"file", until=UNTIL)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    cut = [token[:at] for at in range(len(token))]
    for wrong in (*changed, *cut, token + "=", token + ".", token + "A", "", ".", "é.é"):
        assert SEAL.opened("media", wrong, now=NOW) is None, wrong


def test_a_mark_opens_for_its_purpose_and_what_it_is_about_alone() -> None:
    token = SEAL.marked("cursor", b"place", about=b"a list")
    previous = Seal(OTHER, previous="a secret of at least thirty-two characters")
    assert SEAL.unmarked("cursor", token, about=b"a list") == b"place"
    assert previous.unmarked("cursor", token, about=b"a list") == b"place"
    assert SEAL.unmarked("cursor", SEAL.marked("cursor", b"", about=b""), about=b"") == b""
    assert SEAL.unmarked("cursor", token, about=b"another") is None
    assert SEAL.unmarked("media", token, about=b"a list") is None
    assert Seal(OTHER).unmarked("cursor", token, about=b"a list") is None
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    for wrong in (*changed, *(token[:at] for at in range(len(token))), token + "=", token + "A", "é", "A" * 22):
        assert SEAL.unmarked("cursor", wrong, about=b"a list") is None, wrong


def test_what_is_encrypted_is_read_by_its_secret_and_purpose_alone() -> None:
    sealed = SEAL.encrypted("webhooks", b"whsec", nonce=secrets.token_bytes(12))
    assert b"whsec" not in sealed
    assert SEAL.decrypted("webhooks", sealed) == b"whsec"
    assert Seal(OTHER, previous="a secret of at least thirty-two characters").decrypted("webhooks", sealed) == b"whsec"
    for opener, purpose, given in (
        (Seal(OTHER), "webhooks", sealed),
        (SEAL, "media", sealed),
        (SEAL, "webhooks", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (SEAL, "webhooks", b""),
    ):
        with pytest.raises(BrokenSealError):
            opener.decrypted(purpose, given)
    with pytest.raises(ValueError, match="nonce"):
        SEAL.encrypted("webhooks", b"whsec", nonce=b"short")
