"""The canonical Redis keys, spelled in this one place. What each holds, and for how long, stands in lua/README.md."""

from functools import cache
from hashlib import sha256

from reelwright.ground.ids import AccountId, DraftId, GenerationId


def month(account: AccountId | str, yyyymm: str) -> str:
    """Generation units used in a month."""
    return f"app:usage:{account}:gen_used:{yyyymm}"


def hour(account: AccountId | str, yyyymmddhh: str) -> str:
    """Generation units used in a clock hour."""
    return f"app:burst:{account}:gen_hour:{yyyymmddhh}"


def full(account: AccountId | str, yyyymm: str) -> str:
    """Full regenerations used in a month."""
    return f"app:usage:{account}:full_regen_used:{yyyymm}"


def cooldown(account: AccountId | str, draft: DraftId | str | None) -> str:
    """Until when a draft may not be regenerated. Without a draft: a name that scripts are given and never use."""
    return f"app:cooldown:{account}:regen:{draft or 'none'}"


def leases(account: AccountId | str) -> str:
    """The account's live generations."""
    return f"app:conc:{account}:leases"


def receipt(lease: GenerationId | str) -> str:
    """What one lease took, and from which keys."""
    return f"app:conc:lease:{lease}"


def pending() -> str:
    """Which admissions, of every account, wait for their commit to be confirmed."""
    return "app:conc:pending"


@cache
def place(provider: str, model: str, lane: str) -> str:
    """Who works with a provider's model in a lane."""
    return place_at(where(provider, model, lane))


def place_at(lane: str) -> str:
    """The same, of a lane as `where` names it."""
    return f"app:conc:provider:{lane}"


def where(provider: str, model: str, lane: str) -> str:
    """Name a provider's model in a lane. A separator inside a name is escaped, so two names never meet."""
    parts = (part.replace("%", "%25").replace(":", "%3A").replace("|", "%7C") for part in (provider, model, lane))
    return ":".join(parts)


def line(provider: str, model: str, lane: str) -> str:
    """Which accounts wait for a place in a lane."""
    return place(provider, model, lane) + ":line"


def asked(provider: str, model: str, lane: str) -> str:
    """Until when each account that waits in a lane's line keeps its turn without asking again."""
    return place(provider, model, lane) + ":line:asked"


def brake(provider: str, model: str, lane: str) -> str:
    """What a provider's last 429 left of a lane's cap, and until when the lane is closed."""
    return place(provider, model, lane) + ":brake"


def claim(account: AccountId | str, scope: str, key: str) -> str:
    """The record of an Idempotency-Key. Users choose the key, so only its digest reaches Redis."""
    return claim_of(account, scope, digest(key))


def claim_of(account: AccountId | str, scope: str, key_digest: str) -> str:
    """The same, of a key's digest."""
    return f"app:idem:{account}:{scope}:{key_digest}"


def digest(key: str) -> str:
    """SHA-256 of an Idempotency-Key, in hexadecimal."""
    return sha256(key.encode(errors="surrogatepass")).hexdigest()


def attempts(what: str, who: str, window: int) -> str:
    """How often somebody has tried something in a window. Strangers choose their names, so only a digest is kept."""
    return f"app:attempts:{what}:{digest(who)}:{window}"


def plan(account: AccountId | str) -> str:
    """Which plan the account holds, as PostgreSQL last said it."""
    return f"app:user:{account}:plan_effective"


def boost(account: AccountId | str) -> str:
    """When the account's boost ends."""
    return f"app:boost:{account}:pro_until"
