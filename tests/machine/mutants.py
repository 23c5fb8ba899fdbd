"""Deliberate faults in the scripts: what each breaks, in which script, and the text that it puts in another's place."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. `old` stands exactly once in the script, so that a fault which no longer applies is noticed."""

    name: str
    script: str
    old: str
    new: str = ""

    def __str__(self) -> str:
        return self.name

    def put_into(self, folder: Path) -> None:
        """Put the fault into a copy of the scripts. Raises ValueError where its text is not there."""
        path = folder / "admission" / f"{self.script}.lua"
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: its text stands {text.count(self.old)} times in {self.script}")
        path.write_text(text.replace(self.old, self.new))


_WEIGHED = 'if binding[1] or ARGV[2] == "1" then return answer end'
_REPLAY = 'if claim == "done" or receipt and receipt ~= "pending" then'
_LATE = (
    'if (claim == "done" or receipt and receipt ~= "pending") '
    'and tonumber(got[4] or 0) < tonumber(string.match(ARGV[11], "%d+")) then'
)
_RIVALS = 'math.max(redis.call("ZCOUNT", KEYS[12], live, "+inf"), tonumber(ARGV[15]))'
_ASKED = "not (got[2] and got[4] and got[6]) then return"
_ZERO = 'not got[2] then return { "ask", "0" } end\ngot[4], got[6] = got[4] or "0", got[6] or "0"\nif nil then return'
_PURGE = 'redis.call("ZREMRANGEBYSCORE", KEYS[9], "-inf", text(now))'
_FULL = 'weigh("full_regenerations_month", tonumber(most_full) or math.huge, got[6], fully)'
_REUSED = '(claimed or ARGV[4]) ~= ARGV[4] or (received or "") ~= "" and received ~= ARGV[4]'

MUTANTS = [
    Mutant("no month is weighed", "admit", 'weigh("generations_month", tonumber(most), got[4], monthly)'),
    Mutant("no hour is weighed", "admit", 'weigh("generations_hour", tonumber(most_hour), got[5] or 0, hourly)'),
    Mutant("no full regeneration is weighed", "admit", _FULL),
    Mutant("no cooldown is weighed", "admit", "tonumber(cooled_until) > now and 1 or 0", "0 or 0"),
    Mutant("no lease is weighed", "admit", "tonumber(most_leases), KEYS[9]", "99, KEYS[9]"),
    Mutant("one less than the limit", "admit", "used + need > limit", "used + need >= limit"),
    Mutant("a cooldown ends late", "admit", "tonumber(cooled_until) > now", "tonumber(cooled_until) >= now"),
    Mutant("a refusal writes", "admit", _WEIGHED, _PURGE + "\n" + _WEIGHED),
    Mutant("limits are asked before the key", "admit", _REPLAY, _LATE),
    Mutant(
        "the hour's counter never ends",
        "admit",
        'if not got[5] then redis.call("PEXPIRE", KEYS[5], text((ARGV[6] + 3) * 3600000 - now)) end',
    ),
    Mutant("the leases never end", "admit", 'if leases == 0 then redis.call("PEXPIRE", KEYS[9], "3630000") end'),
    Mutant(
        "the list of the unconfirmed never ends",
        "admit",
        'if known % 2 == 0 then redis.call("PEXPIRE", KEYS[10], "7200000") end',
    ),
    Mutant("expired leases count", "admit", '"ZCOUNT", key, live', '"ZCOUNT", key, "-inf"'),
    Mutant("a missing counter is zero", "admit", _ASKED, _ZERO),
    Mutant("any plan is taken as known", "admit", "if got[3] ~= ARGV[5] or not", "if not"),
    Mutant("a boost ends late", "admit", "tonumber(got[2]) > now, {}", "tonumber(got[2]) >= now, {}"),
    Mutant("the caller's clock names the period", "admit", "math.floor(now / 3600000) ~= tonumber(ARGV[6])", "false"),
    Mutant("an hour's end is in the hour", "admit", "math.floor(now / 3600000)", "math.floor((now - 1) / 3600000)"),
    Mutant("a retry takes second units", "admit", 'local held = receipt == "pending"', "local held = false"),
    Mutant("a retry counts in its first hour", "admit", "hour == string.sub(ARGV[10], 8, 17)", "true"),
    Mutant("a key is another body's too", "admit", _REUSED, "false"),
    Mutant("a running key is taken over", "admit", "tonumber(claim_ends) > now then", "false then"),
    Mutant("the rival lane is not seen", "admit", _RIVALS, "tonumber(ARGV[15])"),
    Mutant("the rival's floor is not kept", "admit", _RIVALS, 'redis.call("ZCOUNT", KEYS[12], live, "+inf")'),
    Mutant("an admission overtakes the line", "admit", "known < 2", "true"),
    Mutant(
        "a confirmed order is withdrawn", "withdraw", 'if state and state ~= "pending" then return { "confirmed" } end'
    ),
    Mutant("another's claim is deleted", "withdraw", "if claimant == lease then", "if claimant then"),
    Mutant("a withdrawal keeps the hour", "withdraw", "[KEYS[5]] = units, "),
    Mutant("a withdrawal keeps the cooldown", "withdraw", 'if cooled_by == lease then redis.call("DEL", KEYS[7]) end'),
    Mutant("a withdrawal keeps the place", "withdraw", 'redis.call("ZREM", KEYS[8], member)'),
    Mutant("a refund gives back twice", "refund", 'if refunded == "1" then return { "already" } end'),
    Mutant("a refund ends another's cooldown", "refund", "if cooled_by == ARGV[1] then", "if cooled_by then"),
    Mutant("a release is not remembered", "release", 'string.gsub(receipt, "^%a+", "released", 1)', "receipt"),
    Mutant("a release keeps the place", "release", 'redis.call("ZREM", KEYS[3], member)'),
    Mutant("a lapsed lease is renewed", "renew", 'if known <= now and ARGV[5] ~= "1" then return { "lost", "0" } end'),
    Mutant("a renewal shortens", "renew", "math.max(known, now + ARGV[4])", "now + ARGV[4]"),
    Mutant(
        "a released lease is adopted",
        "renew",
        'if string.match(receipt or "", "^released|") then return { "ended", "0" } end',
    ),
    Mutant("a confirmed order stays overdue", "confirm", 'redis.call("ZREM", KEYS[5], member)'),
    Mutant("a lapsed place comes back", "confirm", "placed = placed and tonumber(placed) > now"),
    Mutant("a late confirmation counts nothing", "confirm", 'state and "confirmed" or "rebuilt"', '"confirmed"'),
    Mutant(
        "hydration overwrites",
        "hydrate",
        'redis.call("SET", KEYS[1], ARGV[4], "NX", ',
        'redis.call("SET", KEYS[1], ARGV[4], ',
    ),
    Mutant("hydration knows no leases", "hydrate", 'redis.call("ZADD", KEYS[4], "GT", ends, lease)'),
    Mutant("hydration leaves lapsed leases", "hydrate", '"GT", ends', '"NX", ends'),
    Mutant(
        "hydration brings released leases back",
        "hydrate",
        'elseif left > 0 and not string.match(redis.call("GET", key) or "", "^released|") then',
        "elseif left > 0 then",
    ),
    Mutant(
        "an older plan replaces a newer",
        "plan",
        'if version and version > tonumber(ARGV[2]) then return { "newer" } end',
    ),
    Mutant("repair runs between admission and commit", "reconcile", 'then return { "busy" } end', "then break end"),
    Mutant("repair overwrites what moved", "reconcile", 'then return { "moved" } end', "then break end"),
    Mutant(
        "dispatch does not see the rival lane",
        "semaphore_acquire",
        'math.max(redis.call("ZCOUNT", KEYS[2], live, "+inf"), tonumber(ARGV[7]))',
        "tonumber(ARGV[7])",
    ),
    Mutant("dispatch overtakes the line", "semaphore_acquire", "local fair = ahead < free", "local fair = 0 < free"),
]
