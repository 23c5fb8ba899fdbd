"""The worker's door: only a signature over exactly this body and the configured URL opens it."""

import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import jwt
import pytest
from qstash import Receiver

from reelwright.ground import qstash

URL = "https://worker.example.com/worker/generate"
KEY, NEXT, OTHER = (f"sig_{name}_{'x' * 64}" for name in ("current", "next", "other"))  # long enough for HS512, too
BODY = b'{"message":"stage_due.v1"}'


def signed(
    raw: bytes = BODY, *, key: str | None = KEY, algorithm: str = "HS256", without: str = "", **changed: object
) -> str:
    """Return what opens the door, but for what is said here."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": "Upstash",
        "sub": URL,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": "jwt_1",
        "body": urlsafe_b64encode(sha256(raw).digest()).decode(),
    }
    said = {name: value for name, value in (claims | changed).items() if name != without}
    return jwt.encode(said, key, algorithm=algorithm)


def opens(signature: str | None, body: bytes = BODY) -> bool:
    return qstash.verified(signature=signature, body=body, url=URL, keys=(KEY, NEXT))


def test_both_keys_open_during_a_rotation_and_the_official_receiver_agrees() -> None:
    for key in (KEY, NEXT):
        assert opens(signed(key=key))
        Receiver(KEY, NEXT).verify(signature=signed(key=key), body=BODY.decode(), url=URL)


def test_a_clock_that_is_half_a_minute_off_still_opens() -> None:
    now = int(time.time())
    assert opens(signed(nbf=now + 30, iat=now + 30))
    assert opens(signed(exp=now - 30))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "a.b.c",
        signed(key=OTHER),
        signed(sub="https://worker.example.com/worker/generate/"),
        signed(sub="https://evil.example.com/worker/generate"),
        signed(iss="Upstash2"),
        signed(body="AAAA"),
        signed().rpartition(".")[0] + ".",
        signed().rpartition(".")[0] + "." + signed(key=OTHER).rpartition(".")[2],
        signed()[:-2],
        signed().replace(".", ".é", 1),
        ".",
    ],
)
def test_anything_else_stays_outside(signature: str | None) -> None:
    assert not opens(signature)


@pytest.mark.parametrize(
    "bent",
    [
        {"algorithm": "HS384"},
        {"algorithm": "HS512"},
        {"algorithm": "none", "key": None},
        *({"without": name} for name in ("iss", "sub", "exp", "nbf", "body")),
        {"exp": "tomorrow"},
        {"nbf": "yesterday"},
        {"exp": None},
        {"sub": ""},
        {"body": ""},
    ],
    ids=str,
)
def test_s27_s88_one_thing_bent_of_what_opens_stays_outside(bent: dict[str, Any]) -> None:
    """The right key, body and address each time, so that nothing else can be why it stays outside."""
    assert opens(signed())
    assert not opens(signed(**bent))


def test_s27_s88_a_clock_may_be_a_minute_off_and_no_more() -> None:
    now = int(time.time())
    assert not opens(signed(exp=now - 120))
    assert not opens(signed(nbf=now + 120))


def test_one_changed_byte_of_the_body_stays_outside() -> None:
    assert not opens(signed(), BODY + b" ")
