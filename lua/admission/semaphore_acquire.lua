--[[ admission/semaphore_acquire
  Hold one place in a semaphore for ttl_ms, or say when one lapses. A live holder is renewed whatever the cap; an heir
  takes over a live place without a second one. A refusal writes nothing.

  KEYS   1 semaphore zset    holder -> expiry ms
  ARGV   1 now_ms ("" = server clock)   2 holder   3 ttl_ms   4 cap   5 inherits (whose place to take over; "" = none)
  RETURN { verdict, used, frees_at }     verdict: taken | renewed | inherited | full
]]
local holder, now = ARGV[2], tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local live = "(" .. text(now)
local function holds(who) return who ~= "" and tonumber(redis.call("ZSCORE", KEYS[1], who) or 0) > now end
local used = redis.call("ZCOUNT", KEYS[1], live, "+inf")
local mine, heir = holds(holder), holds(ARGV[5])
if not mine and not heir and used >= tonumber(ARGV[4]) then
  local frees = redis.call("ZRANGEBYSCORE", KEYS[1], live, "+inf", "WITHSCORES", "LIMIT", text(used - ARGV[4]), 1)[2]
  return { "full", text(used), frees and text(frees) or "" }
end

redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", text(now))
if heir then redis.call("ZREM", KEYS[1], ARGV[5]) end
redis.call("ZADD", KEYS[1], text(now + ARGV[3]), holder)
local stay = ARGV[3] + 3600000
if redis.call("PTTL", KEYS[1]) < stay then redis.call("PEXPIRE", KEYS[1], text(stay)) end
local verdict = mine and "renewed" or heir and "inherited" or "taken"
return { verdict, text(redis.call("ZCOUNT", KEYS[1], live, "+inf")), text(now + ARGV[3]) }
