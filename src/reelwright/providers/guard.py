"""Which web pages may be read: what `ground.addresses` lets through, and one refusal for all the rest."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from reelwright.ground import addresses
from reelwright.ground.addresses import LONGEST_URL, Blocked, Target, is_public
from reelwright.ground.errors import Refusal
from reelwright.ground.log import logger

__all__ = ["LONGEST_URL", "Target", "blocked", "blocking", "checked_addresses", "checked_url", "inspected", "is_public"]

_log = logger(__name__)

# One sentence for every block, so that an answer never tells what stands behind a private address.
_BLOCKED = (
    "This address can't be read: give the http or https address of a public web page, "
    "spelt as in a browser's address bar, without a user name or an unusual port."
)


def checked_url(url: str, allowlist: frozenset[str] = frozenset()) -> str:
    """Return the URL's one spelling after every check that needs no lookup. Raises Refusal (`source.not_allowed`).

    `allowlist` holds `host:port` entries that may be private; it is for tests and development alone.
    """
    return inspected(url, allowlist).url


def inspected(url: str, allowlist: frozenset[str] = frozenset()) -> Target:
    """Take a URL apart once, and refuse what no public page has. Raises Refusal (`source.not_allowed`)."""
    with blocking():
        return addresses.inspected(url, allowlist)


def checked_addresses(target: Target, found: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses to connect to, IPv4 first. One bad address spoils them all. Raises Refusal."""
    with blocking():
        return addresses.checked_addresses(target, found)


@contextmanager
def blocking() -> Generator[None]:
    """Turn every block into the one refusal."""
    try:
        yield
    except Blocked as block:
        raise blocked(block.reason) from None


def blocked(reason: str) -> Refusal:
    """Return the one refusal that every block gives; the reason goes to the log and nowhere else."""
    _log.info("source_blocked", reason=reason)
    return Refusal(_BLOCKED, field="url", code="source.not_allowed")
