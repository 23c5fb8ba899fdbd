"""What is forgotten because nobody needs it any more: a little at a time, by index, so that nothing waits for it."""

from datetime import timedelta

from sqlalchemy import text

from reelwright.ground import log
from reelwright.ground.postgres import Database

_log = log.logger("journeys.retention")
KEPT = timedelta(days=400)
"""A year and a month: last year's month can be looked at beside this one's."""
_BATCH = 1000

_OLD = {
    "schedule_runs": text(
        """
        DELETE FROM schedule_runs WHERE id IN (
            SELECT id FROM schedule_runs WHERE ended_at < now() - CAST(:kept AS interval)
             ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """
    ),
    "requests_daily": text(
        """
        DELETE FROM requests_daily WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM requests_daily WHERE day < current_date - CAST(:kept AS interval)
             ORDER BY day LIMIT :limit))
        """
    ),
    "notices": text(
        """
        DELETE FROM notices WHERE id IN (
            SELECT n.id FROM notices n WHERE n.told_at < now() - CAST(:kept AS interval) AND n.mail_state <> 'waiting'
               AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.notice_id = n.id AND d.state = 'waiting')
             ORDER BY n.told_at LIMIT :limit FOR UPDATE SKIP LOCKED)
        """
    ),
}


async def forget(*, db: Database, kept: timedelta = KEPT, limit: int = _BATCH) -> int:
    """Forget some of what is older than that; return how many rows. The next round goes on. Raises Outage."""
    forgotten = 0
    for what, statement in _OLD.items():
        async with db.begin() as tx:
            gone = (await tx.execute(statement, {"kept": kept, "limit": limit})).rowcount
        forgotten += gone
        if gone:
            _log.info("retention.forgotten", what=what, rows=gone)
    return forgotten
