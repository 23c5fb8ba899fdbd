"""The same promises of orders and runs in fewer words: which shapes a row may have, each list in one literal.

PostgreSQL reads a table's CHECKs anew for each statement that writes to it, and of 41 kB that an order had to read these
two tables' were 23. No row is looked at here: the lock is held for moments, what is written from then on
is checked, and what was there (which the old ones had checked) is looked through once the migrations have committed.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_SHORT: dict[str, dict[str, str]] = {
    "generations": {
        "state": (
            "concat(state, started_at IS NULL, ended_at IS NULL, failure_code IS NULL, failure_sentence IS NULL)"
            " = ANY ('{queuedtttt,runningfttt,succeededfftt,failedtfff,failedffff,"
            "cancelledtftt,cancelledtfff,cancelledfftt,cancelledffff}'::text[])"
        ),
        "kind": (
            "concat(kind, '.', part, part IS NULL, scene IS NULL)"
            " = ANY ('{script.tt,video.tt,render.tt,regenerate_full.tt,regenerate_targeted.hookft,"
            "regenerate_targeted.captionft,regenerate_targeted.hashtagsft,regenerate_targeted.scene_textff,"
            "regenerate_targeted.scene_pictureff,regenerate_targeted.scene_voiceff}'::text[])"
        ),
        "lane": "lane = ANY ('{interactive,batch}'::text[])",
    },
    "stage_runs": {
        "state": (
            "concat(state, started_at IS NULL, finished_at IS NULL, lease_until IS NULL, won_fence IS NULL,"
            " error_code IS NULL)"
            " = ANY ('{queuedttttt,queuedttttf,queuedftttt,queuedftttf,runningftftt,runningftftf,"
            "succeededfftft,succeededfftff,failedtfttf,failedffttf,"
            "cancelledtfttt,cancelledtfttf,cancelledffttt,cancelledffttf}'::text[])"
        ),
        "progress": "progress BETWEEN '0' AND '1'",
    },
}
_STATES = "state = ANY ('{queued,running,succeeded,failed,cancelled}'::text[])"
_LONG: dict[str, dict[str, str]] = {
    "generations": {
        "state": _STATES,
        "ended_at": "(state IN ('queued', 'running')) = (ended_at IS NULL)",
        "started_at": "state NOT IN ('running', 'succeeded') OR started_at IS NOT NULL",
        "not_yet_started": "state <> 'queued' OR started_at IS NULL",
        "failure_has_code": "state <> 'failed' OR failure_code IS NOT NULL",
        "only_failures_have_code": "state IN ('failed', 'cancelled') OR failure_code IS NULL",
        "failure_sentence": "(failure_code IS NULL) = (failure_sentence IS NULL)",
        "kind": "kind = ANY ('{script,video,render,regenerate_targeted,regenerate_full}'::text[])",
        "part": "part = ANY ('{hook,caption,hashtags,scene_text,scene_picture,scene_voice}'::text[])",
        "targeted_has_part": "(kind = 'regenerate_targeted') = (part IS NOT NULL)",
        "part_has_scene": (
            "(part IS NOT NULL AND part IN ('scene_text', 'scene_picture', 'scene_voice')) = (scene IS NOT NULL)"
        ),
        "lane": "lane IN ('interactive', 'batch')",
    },
    "stage_runs": {
        "state": _STATES,
        "lease_until": "(state = 'running') = (lease_until IS NOT NULL)",
        "finished_at": "(state IN ('queued', 'running')) = (finished_at IS NULL)",
        "started_at": "state NOT IN ('running', 'succeeded') OR started_at IS NOT NULL",
        "won_fence": "(state = 'succeeded') = (won_fence IS NOT NULL)",
        "failure_has_code": "state <> 'failed' OR error_code IS NOT NULL",
        "progress": "progress BETWEEN 0 AND 1",
    },
}


def _swapped(table: str, before: dict[str, str], after: dict[str, str]) -> str:
    """Return what puts one set of a table's CHECKs in place of another."""
    changes = [f"DROP CONSTRAINT ck_{table}_{name}" for name in before]
    changes += [f"ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID" for name, rule in after.items()]
    return f"ALTER TABLE {table} {', '.join(changes)}"


UPGRADE: tuple[str, ...] = tuple(_swapped(table, _LONG[table], _SHORT[table]) for table in _SHORT)
DOWNGRADE: tuple[str, ...] = tuple(_swapped(table, _SHORT[table], _LONG[table]) for table in _SHORT)


def upgrade() -> None:
    # A migration waits for a lock only briefly: a queue behind it would stop the whole service.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in UPGRADE:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in DOWNGRADE:
        op.get_bind().exec_driver_sql(statement)
