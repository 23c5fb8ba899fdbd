"""What an account's last reels sounded like: their titles and hooks, so that the next one says something else."""

from collections.abc import Sequence

REELS = 10
"""Reels that are looked back at."""

# By ix_generations_account_id; of each generation's stories the one that was chosen, else the first.
RECENT_OF = f"""
    (SELECT jsonb_agg(jsonb_build_array(v.hook, v.title) ORDER BY last.created_at DESC, last.id DESC)
       FROM (SELECT id, variant_id, created_at FROM generations
              WHERE account_id = g.account_id AND id <> g.id AND kind IN ('script', 'video', 'regenerate_full')
              ORDER BY created_at DESC, id DESC LIMIT {REELS}) last
       JOIN LATERAL (SELECT title, hook FROM variants WHERE generation_id = last.id
                      ORDER BY id = last.variant_id DESC NULLS LAST, position LIMIT 1) v ON true)
"""  # noqa: S608 - put together from constants
"""Hook and title of the account's last ten written generations but `g`, the newest first; NULL for none."""


def lately_told(recent: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return these hooks and titles, each once."""
    return tuple(dict.fromkeys(said for pair in recent for said in pair if said))
