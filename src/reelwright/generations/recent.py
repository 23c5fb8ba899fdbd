"""What an account's last reels sounded like: their titles and hooks, so that the next one says something else."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId, GenerationId

REELS = 10
"""Reels that are looked back at."""

# By ix_generations_account_id; of each generation's stories the one that was chosen, else the first.
_RECENT = text(
    """
    SELECT v.title, v.hook
      FROM (SELECT id, variant_id, created_at FROM generations
             WHERE account_id = :account AND id <> :besides AND kind IN ('script', 'video', 'regenerate_full')
             ORDER BY created_at DESC, id DESC LIMIT :reels) g
      JOIN LATERAL (SELECT title, hook FROM variants WHERE generation_id = g.id
                     ORDER BY id = g.variant_id DESC NULLS LAST, position LIMIT 1) v ON true
     ORDER BY g.created_at DESC, g.id DESC
    """
)


async def lately_told(session: AsyncConnection, account: AccountId, *, besides: GenerationId) -> tuple[str, ...]:
    """Return hooks and titles of an account's last ten written generations, each once, the newest first."""
    found = await session.execute(_RECENT, {"account": account, "besides": besides, "reels": REELS})
    return tuple(dict.fromkeys(said for row in found for said in (row.hook, row.title) if said))
