"""The worker's door: only a signature over exactly this body and the configured URL opens it."""

import time
from base64 import urlsafe_b64encode
from hashlib import sha256

import jwt
import pytest
from qstash import Receiver

from reelwright.ground import qstash

URL = "https://worker.example.com/worker/generate"
KEY, NEXT, OTHER = (f"sig_{name}_{'x' * 28}" for name in ("current", "next", "other"))
BODY = b'{"message":"stage_due.v1"}'


def signed(raw: bytes = BODY, *, key: str = KEY, **changed: object) -> str:
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
    return jwt.encode(claims | changed, key, algorithm="HS256")


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
        signed(exp=int(time.time()) - 3600),
        signed(nbf=int(time.time()) + 3600),
        signed(body="AAAA"),
        jwt.encode({"iss": "Upstash", "sub": URL}, KEY, algorithm="HS256"),
        jwt.encode({"iss": "Upstash", "sub": URL, "exp": 2**40, "nbf": 0, "body": ""}, KEY * 2, algorithm="HS512"),
        jwt.encode({"iss": "Upstash", "sub": URL, "exp": 2**40, "nbf": 0, "body": ""}, None, algorithm="none"),
        signed().rpartition(".")[0] + ".",
        signed().rpartition(".")[0] + "." + signed(key=OTHER).rpartition(".")[2],
        signed()[:-2],
        signed().replace(".", ".é", 1),
        ".",
    ],
)
def test_anything_else_stays_outside(signature: str | None) -> None:
    assert not opens(signature)


def test_one_changed_byte_of_the_body_stays_outside() -> None:
    assert not opens(signed(), BODY + b" ")
