"""What may be looked up at all: the spelling rules and the address table."""

import pytest

from reelwright.ground.errors import Refusal
from reelwright.providers.guard import checked_addresses, checked_url, inspected, is_public
from tests.simulators import inward

ACCEPTED = {
    "https://example.com/article": "https://example.com/article",
    "HTTP://Example.COM": "http://example.com/",
    "http://example.com/article?x=1&y=%20z": "http://example.com/article?x=1&y=%20z",
    "https://example.com/пример": "https://example.com/%D0%BF%D1%80%D0%B8%D0%BC%D0%B5%D1%80",
    "https://münchen.de/": "https://xn--mnchen-3ya.de/",
    "https://xn--e1afmkfd.example/": "https://xn--e1afmkfd.example/",
    "https://example.com./article": "https://example.com/article",
    "https://example.com:443/article#part": "https://example.com/article",
    "https://blog.example/@writer/post": "https://blog.example/@writer/post",
    "https://archive.example/2020/https://example.com/a": "https://archive.example/2020/https://example.com/a",
    "http://1.1.1.1/": "http://1.1.1.1/",
    "http://[2606:4700:4700::1111]/": "http://[2606:4700:4700::1111]/",
}


@pytest.mark.parametrize("url", inward.ALL)
def test_an_inward_address_is_refused_before_any_lookup(url: str) -> None:
    with pytest.raises(Refusal) as refusal:
        checked_url(url)
    assert (refusal.value.code, refusal.value.field) == ("source.not_allowed", "url")


@pytest.mark.parametrize(("url", "spelt"), ACCEPTED.items())
def test_a_public_address_gets_one_spelling(url: str, spelt: str) -> None:
    assert checked_url(url) == spelt
    assert checked_url(spelt) == spelt


def test_every_block_says_the_same() -> None:
    """A difference between answers would map the network behind us."""
    said: set[str] = set()
    for url in ("http://10.0.0.1/", "file:///etc/passwd", "http://a b/", "http://example.com:22/"):
        with pytest.raises(Refusal) as refusal:
            checked_url(url)
        said.add(str(refusal.value))
    assert len(said) == 1
    assert "10.0.0.1" not in said.pop()


PUBLIC = ("1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "2606:4700::1111")
CLOSED = (
    *("64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "224.0.0.1", "ff0e::1", "fec0::1", "3fff::1"),
    *("192.88.99.1", "168.63.129.16", "100.64.0.1", "100.100.100.200", "::ffff:8.8.8.8", "fe80::1%lo", "name", ""),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_the_standard_library_may_call_global_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("bad", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fd00:ec2::254"])
def test_one_bad_address_spoils_the_name(bad: str) -> None:
    target = inspected("http://example.com/")
    for answers in (["1.1.1.1", bad], [bad, "1.1.1.1"], [bad], []):
        with pytest.raises(Refusal):
            checked_addresses(target, answers)
    assert checked_addresses(target, ["2606:4700::1111", "1.1.1.1", "1.1.1.1"]) == ("1.1.1.1", "2606:4700::1111")


def test_the_allowlist_names_one_host_and_port_exactly() -> None:
    allowed = frozenset({"127.0.0.1:8123", "pages.test:8123"})
    assert checked_url("http://127.0.0.1:8123/a", allowed) == "http://127.0.0.1:8123/a"
    assert checked_url("http://pages.test:8123/a", allowed) == "http://pages.test:8123/a"
    for url in ("http://127.0.0.1:8124/", "http://127.0.0.2:8123/", "http://0x7f.1:8123/", "http://x@127.0.0.1:8123/"):
        with pytest.raises(Refusal):
            checked_url(url, allowed)
