"""What people were told: once, and as it was at that instant. Judged by the journal, the lots and the generations."""

from reelwright.billing import PLANS

_CREDITS = [terms.credits_month_micro for terms in PLANS.values()]
_GENERATIONS = " ".join(f"WHEN '{plan}' THEN {terms.generations_month}" for plan, terms in PLANS.items())
_WARNINGS = "(n.kind LIKE 'allowance%' OR n.kind = 'approaching_limit')"
_ENDS = "(n.facts->>'period_ends_at')::timestamptz"

# The plan that somebody was served by at the instant of a notice.
_SERVED_BY = """
    CASE WHEN EXISTS (SELECT FROM boosts b WHERE b.account_id = n.account_id AND b.starts_at <= n.told_at
                         AND n.told_at < least(b.ends_at, coalesce(b.revoked_at, b.ends_at))) THEN 'pro'
    ELSE coalesce(
        (SELECT c.facts->>'plan' FROM notices c WHERE c.account_id = n.account_id AND c.kind = 'plan_changed'
            AND c.told_at <= n.told_at ORDER BY c.told_at DESC LIMIT 1),
        (SELECT c.facts->>'before' FROM notices c WHERE c.account_id = n.account_id AND c.kind = 'plan_changed'
          ORDER BY c.told_at LIMIT 1),
        (SELECT u.plan FROM users u WHERE u.id = n.account_id)) END
"""
# What had left the period's lots for work by then. A hold takes from its lots in order: so does what is charged of it.
_CHARGED_BY_THEN = f"""
    SELECT coalesce(sum(greatest(0, least(used.part, charged.micro - used.before))), 0)
      FROM (SELECT generation_id, sum(CASE kind WHEN 'capture' THEN amount_micro ELSE -amount_micro END) AS micro
              FROM credit_journal
             WHERE account_id = n.account_id AND kind IN ('capture', 'refund') AND at <= n.told_at
             GROUP BY generation_id) charged
      JOIN credit_holds h ON h.generation_id = charged.generation_id AND h.state = 'captured',
           LATERAL (SELECT lot, part, sum(part) OVER (ORDER BY place) - part AS before
                      FROM unnest(h.lot_ids, h.lot_micro) WITH ORDINALITY AS of_lot(lot, part, place)) used
      JOIN credit_lots l ON l.id = used.lot
     WHERE l.origin = 'monthly' AND l.expires_at = {_ENDS}
"""  # noqa: S608 - constants, above
_UNITS_BY_THEN = """
    SELECT coalesce(sum(g.generation_units), 0) FROM generations g
     WHERE g.account_id = n.account_id AND g.admitted_at <= n.told_at
       AND date_trunc('month', g.admitted_at, 'UTC') = date_trunc('month', n.told_at, 'UTC')
       AND (g.units_returned_at IS NULL OR g.units_returned_at > n.told_at)
"""

# Each returns a line for each breach.
NEVER = {
    "nobody is told a threshold twice": """
        SELECT account_id || ' ' || kind FROM notices
         WHERE kind LIKE 'allowance%' OR kind = 'approaching_limit'
         GROUP BY account_id, kind, facts->>'threshold', facts->>'period_ends_at',
                  coalesce(facts->>'limit', facts->>'limit_micro')
        HAVING count(*) > 1
    """,
    "nobody is warned of less than before": f"""
        SELECT n.account_id || ' ' || n.kind FROM notices n JOIN notices higher
            ON higher.account_id = n.account_id AND higher.facts->>'pool' = n.facts->>'pool'
           AND higher.facts->>'period_ends_at' = n.facts->>'period_ends_at'
           AND coalesce(higher.facts->>'limit', higher.facts->>'limit_micro')
             = coalesce(n.facts->>'limit', n.facts->>'limit_micro')
           AND (higher.facts->>'threshold')::int > (n.facts->>'threshold')::int AND higher.told_at < n.told_at
         WHERE {_WARNINGS} AND n.mail_state <> 'none'
    """,  # noqa: S608 - constants, above
    "nobody is warned of a month that is over": f"""
        SELECT n.account_id || ' ' || n.kind || ' ' || n.told_at FROM notices n
         WHERE {_WARNINGS} AND (n.told_at >= {_ENDS} OR n.told_at < {_ENDS} - interval '1 month')
    """,  # noqa: S608 - constants, above
    "a warning is of the limit that there was": f"""
        SELECT n.account_id || ' ' || n.kind || ' ' || n.facts FROM notices n
         WHERE (n.kind LIKE 'allowance%' AND (n.facts->>'limit_micro')::bigint <> (
                SELECT coalesce(sum(l.amount_micro), 0) FROM credit_lots l
                 WHERE l.account_id = n.account_id AND l.origin = 'monthly' AND l.created_at <= n.told_at
                   AND l.expires_at = {_ENDS} AND l.external_ref NOT LIKE 'grant:returned:%'))
            OR (n.kind = 'approaching_limit' AND (
                n.facts->>'plan' <> {_SERVED_BY}
                OR (n.facts->>'limit')::int <> CASE n.facts->>'plan' {_GENERATIONS} END))
    """,  # noqa: S608 - constants, above
    "a warning is of the use that there was": f"""
        SELECT n.account_id || ' ' || n.kind || ' ' || n.facts FROM notices n
         WHERE (n.kind LIKE 'allowance%' AND (n.facts->>'used_micro')::bigint <> ({_CHARGED_BY_THEN}))
            OR (n.kind = 'approaching_limit' AND (n.facts->>'used')::int <> ({_UNITS_BY_THEN}))
    """,  # noqa: S608 - constants, above
    "nobody is told of more than a plan gives": f"""
        SELECT n.account_id || ' ' || n.kind || ' ' || n.facts FROM notices n
         WHERE n.kind LIKE 'allowance%' AND (n.facts->>'limit_micro')::bigint <> ALL (ARRAY{_CREDITS})
    """,  # noqa: S608 - constants, above
    "who is told of few credits again was given some": """
        SELECT again.account_id || ' ' || again.kind FROM notices n JOIN notices again
            ON again.account_id = n.account_id AND again.kind = n.kind AND again.told_at > n.told_at
         WHERE n.kind IN ('low_balance', 'credits_exhausted') AND NOT EXISTS (
               SELECT FROM credit_lots l WHERE l.account_id = n.account_id
                  AND l.created_at > n.told_at AND l.created_at <= again.told_at)
    """,
    "a change of plan is told once, from what was told before": """
        SELECT account_id || ' ' || plan FROM (
            SELECT account_id, facts->>'plan' AS plan, facts->>'before' AS before,
                   lag(facts->>'plan') OVER (PARTITION BY account_id ORDER BY told_at) AS known
              FROM notices WHERE kind = 'plan_changed') changes
         WHERE before <> known
    """,
    "nobody is told twice of a boost": """
        SELECT n.account_id || ' ' || n.kind FROM notices n WHERE n.kind IN ('boost_started', 'boost_ended')
         GROUP BY n.account_id, n.kind
        HAVING count(*) > (SELECT count(*) FROM boosts b WHERE b.account_id = n.account_id)
    """,
    "nobody is told twice how a month was, or how a reel ended": """
        SELECT account_id || ' ' || kind FROM notices
         WHERE kind IN ('monthly_summary', 'quota_reset', 'generation_succeeded', 'generation_failed',
                        'generation_cancelled')
         GROUP BY account_id, kind, coalesce(facts->>'period', facts->>'generation_id') HAVING count(*) > 1
    """,
    "no letter is sent twice": """
        SELECT account_id || ' ' || kind FROM notices
         WHERE mail_state = 'sent' AND (mail_attempts <> 1 OR mail_doubts > 0)
    """,
    "who reached a threshold of credits was told": f"""
        SELECT n.account_id || ' ' || n.limit_micro FROM (
            SELECT l.account_id, l.expires_at AS ends, sum(l.amount_micro) AS limit_micro, max(l.created_at) AS filled
              FROM credit_lots l
             WHERE l.origin = 'monthly' AND l.external_ref NOT LIKE 'grant:returned:%'
             GROUP BY l.account_id, l.expires_at) month, LATERAL (
            SELECT month.account_id, month.limit_micro, max(j.at) AS told_at,
                   jsonb_build_object('period_ends_at', month.ends) AS facts
              FROM credit_journal j
             WHERE j.account_id = month.account_id AND j.kind = 'capture' AND j.at > month.filled AND j.at < month.ends
               AND NOT EXISTS (SELECT FROM credit_lots later WHERE later.account_id = j.account_id
                                  AND later.origin = 'monthly' AND later.expires_at > month.ends
                                  AND later.created_at < j.at)) n
         WHERE n.told_at IS NOT NULL AND ({_CHARGED_BY_THEN}) * 100 >= n.limit_micro * 80
           AND NOT EXISTS (SELECT FROM notices known WHERE known.account_id = n.account_id
                              AND known.kind LIKE 'allowance%'
                              AND (known.facts->>'period_ends_at')::timestamptz = {_ENDS}
                              AND (known.facts->>'limit_micro')::bigint = n.limit_micro)
    """,  # noqa: S608 - constants, above
    "who reached a threshold of generations was told": f"""
        SELECT n.account_id || ' ' || n.month FROM (
            SELECT account_id, date_trunc('month', max(ended_at), 'UTC') AS month, max(ended_at) AS told_at
              FROM generations WHERE state = 'succeeded' AND NOT demo
             GROUP BY account_id, date_trunc('month', ended_at, 'UTC')) n JOIN users u ON u.id = n.account_id
         WHERE ({_UNITS_BY_THEN}) * 100 >= 80 * CASE u.plan {_GENERATIONS} END
           AND NOT EXISTS (SELECT FROM boosts b WHERE b.account_id = u.id)
           AND NOT EXISTS (SELECT FROM notices known WHERE known.account_id = u.id AND (known.kind = 'plan_changed'
                OR known.kind = 'approaching_limit' AND date_trunc('month', known.told_at, 'UTC') = n.month))
    """,  # noqa: S608 - constants, above
}
