"""Decides which addresses the program may call: a URL's spelling, its host's name, and every address behind it."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import ada_url

LONGEST_URL = 2048
_PORTS = {"http": 80, "https": 443}

# IANA special-purpose registries (IPv4 and IPv6, 2024-10) and the clouds' own addresses. `ipaddress.is_global` is not
# used: on Python 3.11 and 3.12 it calls NAT64, 6to4, multicast and Azure's 168.63.129.16 global.
_CLOSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)
_ISATAP = {0x00005EFE, 0x02005EFE}

_INWARD_SUFFIXES = (
    *("localhost", "local", "localdomain", "internal", "intranet", "lan", "corp", "home", "private"),
    *("home.arpa", "onion", "in-addr.arpa", "ip6.arpa"),
)
_METADATA_NAMES = {"metadata.google.internal", "metadata.tencentyun.com", "metadata.goog", "instance-data.ec2.internal"}

_AUTHORITY = re.compile(r"(https?)://([^/?#]+)(?=[/?#]|$)", re.IGNORECASE)
_HOST_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([1-9][0-9]{0,4}))?", re.IGNORECASE)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_LETTERS = {"Ll", "Lm", "Lo", "Lu", "Mn", "Mc", "Nd"}


class Blocked(Exception):  # noqa: N818 - what it is, not an error of ours
    """No public address. `reason` is for the log: an answer never tells what stands behind a private address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL that may be looked up. `url` is its one spelling; `exempt` says that the allow-list names its host:port."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    exempt: bool

    @property
    def authority(self) -> str:
        """The Host header: the port only where it isn't the scheme's own."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == _PORTS[self.scheme] else f"{shown}:{self.port}"


def inspected(url: str, allowlist: frozenset[str] = frozenset()) -> Target:
    """Take a URL apart once, and refuse what no public page has. Raises Blocked.

    `allowlist` holds `host:port` entries that may be private; it is for tests and development alone.
    """
    written = _written(url)
    parsed = _parsed(url)
    scheme = parsed.protocol.rstrip(":")
    host = parsed.hostname.lower().strip("[]").removesuffix(".")
    port = int(parsed.port) if parsed.port else _PORTS[scheme]
    exempt = f"{host}:{port}" in allowlist
    path = parsed.pathname + parsed.search
    target = Target(url="", scheme=scheme, host=host, port=port, path=path, exempt=exempt)
    literal = _literal(host)
    if written.isascii() and written != host and (literal is None or _literal(written) != literal):
        raise Blocked("disguised address")
    if not exempt:
        _check_public(target, literal)
    spelt = f"{scheme}://{target.authority}{path}"
    return Target(url=spelt, scheme=scheme, host=host, port=port, path=path, exempt=exempt)


def checked_addresses(target: Target, addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses to connect to, IPv4 first. One bad address spoils them all. Raises Blocked."""
    if not addresses:
        raise Blocked("no address")
    if not target.exempt and not all(is_public(address) for address in addresses):
        raise Blocked("address not public")
    return tuple(sorted(dict.fromkeys(addresses), key=lambda address: ":" in address))


def is_public(address: str) -> bool:
    """Say whether a literal address belongs to the public internet, by our own table."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in block for block in _CLOSED_V4)
    return _is_public_v6(parsed)


def _is_public_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _OPEN_V6 or any(address in block for block in _CLOSED_V6):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def _written(url: str) -> str:
    """Return the host as it was written, after the checks that must come before any parser sees the string."""
    if not 0 < len(url) <= LONGEST_URL:
        raise Blocked("length")
    if any(c == "\\" or c.isspace() or unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn"} for c in url):
        raise Blocked("character")
    authority = _AUTHORITY.match(url)
    if authority is None:
        raise Blocked("scheme")
    place = authority[2]
    if "@" in place or "%" in place or unicodedata.normalize("NFKC", place) != place:
        raise Blocked("authority")
    split = _HOST_PORT.fullmatch(place)
    if split is None:
        raise Blocked("authority")
    host = split[1]
    if not host.isascii() and not all(c in ".-_" or unicodedata.category(c) in _LETTERS for c in host):
        raise Blocked("host character")
    return host.lower().strip("[]").removesuffix(".")


def _parsed(url: str) -> ada_url.URL:
    try:
        return ada_url.URL(url)
    except ValueError:
        raise Blocked("unparsable") from None


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_public(target: Target, literal: IPv4Address | IPv6Address | None) -> None:
    if target.port != _PORTS[target.scheme]:
        raise Blocked("port")
    if literal is not None:
        if not is_public(target.host):
            raise Blocked("address not public")
        return
    labels = target.host.split(".")
    if len(target.host) > 253 or _NAME.fullmatch(target.host) is None or len(labels) == 1 or labels[-1][0].isdigit():  # noqa: PLR2004 - RFC 1035, section 2.3.4
        raise Blocked("name")
    if target.host in _METADATA_NAMES or any(target.host.endswith(f".{suffix}") for suffix in _INWARD_SUFFIXES):
        raise Blocked("inward name")
