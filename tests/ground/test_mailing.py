"""Addresses: who signs up with one can be written to."""

from email.headerregistry import Address

import pytest

from reelwright.ground.mailing import reached

LONGEST = f"a@{'.'.join(['x' * 62] * 3)}.{'y' * 59}.com"


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "Ada.L+x_1@mail.example.co.uk", "o'neil@a.io", "a@b.co", "x" * 64 + "@example.com",
     "ada@xn--exmple-cua.com", LONGEST, "1@1.museum"],
)  # fmt: skip
def test_what_servers_take_is_an_address_and_stands_in_a_header(address: str) -> None:
    assert reached(address)
    assert Address(addr_spec=address).addr_spec == address


@pytest.mark.parametrize(
    "address",
    ["böb@example.com", "<carol@example.com>", "bob@exämple.com", "a..b@example.com", ".a@example.com",
     "a.@example.com", "a@example..com", "a@.example.com", "a@-example.com", "a@example-.com", "a@example.c",
     "a@10.0.0.11", "a@[10.0.0.1]", '"a b"@example.com', "a@b", "a@b@example.com", "a,b@example.com",
     LONGEST.replace("@", "z@"), "x" * 65 + "@example.com",
     "a@" + "x" * 64 + ".com", "a@" + "x." * 126 + "com", "ada@example.com\n", "\u202ea@b.co"],
)  # fmt: skip
def test_what_some_server_would_refuse_is_none(address: str) -> None:
    assert not reached(address)
