"""What every order reads of PostgreSQL, in one statement: whether it was made before, prices, and the default voice.

The rooms' own queries are put together here, and read by the rooms.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, generations, library
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Statement, rows

_READ = Statement(
    f"""
    SELECT {generations.FINGERPRINT} AS fingerprint, {library.DEFAULT_VOICE} AS voice, {billing.PRICED_BY} AS prices
    """
)


@dataclass(frozen=True, slots=True)
class Foreknown:
    """The fingerprint of the order that had this id before, if one had; the prices now; what `default` sounds like."""

    fingerprint: bytes | None
    prices: billing.PriceList
    voice: library.Voiced | None


async def foreknown(tx: AsyncConnection, account: AccountId, order: GenerationId) -> Foreknown:
    """Return what an order of this id begins with. Raises LookupError where no price list is in force."""
    [row] = await rows(tx, _READ, {"account": account, "generation": order})
    prices = await billing.Catalogue(session=tx).named(row["prices"])
    return Foreknown(row["fingerprint"], prices, library.default_voice(row["voice"]))
