--[[ admission/semaphore_acquire
  Hold one place in a semaphore for ttl_ms, or wait in its line, where the account that has waited longest comes first.
  A live holder is renewed, and an heir takes over a live place, whatever the rest says. Anyone else needs all of these:
  the lane's cap and the capacity shared with the rival lane leave places free, the rival's floor apart; fewer accounts
  wait ahead than are free; and while others wait, no account holds more than half of the lane. One that holds its half
  keeps its turn and blocks nobody. A place that is given ends the account's wait; its next run waits anew.

  KEYS   1 lane      zset    "account|holder" -> expiry ms (a bare holder where there is no line)
         2 rival     zset    the same of the other lane
         3 line      zset    account -> ticket: who waits, in the order in which they came
         4 brake     string  "closed_until|cap|at_ms": the cap after the provider's last 429, one more a minute
         5 asked     zset    account -> when its ticket ends, ms: line_ms after it last asked
  ARGV   1 now_ms ("" = server clock)   2 account   3 holder   4 ttl_ms   5 cap   6 capacity ("" = no rival)
         7 rival_floor   8 line_ms ("" = no line: a refusal writes nothing)   9 inherits (whose place; "" = none)
  RETURN { verdict, used, ahead, wait_ms }     verdict: taken | renewed | inherited | full
]]
local account, holder, line_ms, now = ARGV[2], ARGV[3], tonumber(ARGV[8]), tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local live, used, held, mine, heir = "(" .. text(now), 0, {}, nil, nil
for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], live, "+inf")) do
  local owner, who = string.match(member, "^([^|]*)|(.*)$")
  used, held[owner or ""] = used + 1, (held[owner or ""] or 0) + 1
  if (who or member) == holder then mine = member end
  if ARGV[9] ~= "" and (who or member) == ARGV[9] then heir = member end
end
local closed, slowed, at = string.match(redis.call("GET", KEYS[4]) or "0|" .. ARGV[5] .. "|0", "^(%d+)|(%d+)|(%d+)$")
local cap = math.min(tonumber(ARGV[5]), slowed + math.floor(math.max(now - at, 0) / 60000))
local rivals = math.max(redis.call("ZCOUNT", KEYS[2], live, "+inf"), tonumber(ARGV[7]))
local free = math.min(cap, ARGV[6] == "" and cap or ARGV[6] - rivals) - used
if tonumber(closed) > now then free = 0 end

local ticket, others, ahead, share = nil, 0, 0, math.max(1, math.ceil(cap / 2))
if line_ms then
  for _, name in ipairs(redis.call("ZRANGEBYSCORE", KEYS[5], "-inf", text(now), "LIMIT", 0, 100)) do
    redis.call("ZREM", KEYS[3], name)
    redis.call("ZREM", KEYS[5], name)
  end
  if redis.call("ZCARD", KEYS[3]) > redis.call("ZCARD", KEYS[5]) then redis.call("DEL", KEYS[3]) end
  ticket = tonumber(redis.call("ZSCORE", KEYS[3], account) or "")
  others = redis.call("ZCARD", KEYS[3]) - (ticket and 1 or 0)
  ahead = ticket and redis.call("ZRANK", KEYS[3], account) or others
  for name, places in pairs(held) do
    local theirs = places >= share and name ~= account and tonumber(redis.call("ZSCORE", KEYS[3], name) or "")
    if theirs and (not ticket or theirs < ticket) then ahead = ahead - 1 end
  end
end
local fair = ahead < free and (others == 0 or (held[account] or 0) < share)
if not (mine or heir or fair) and not line_ms then
  local nth = text(math.max(used - cap, 0))
  local frees = redis.call("ZRANGEBYSCORE", KEYS[1], live, "+inf", "WITHSCORES", "LIMIT", nth, 1)[2]
  return { "full", text(used), "0", text(frees and frees - now or 0) }
elseif not (mine or heir or fair) then
  local wait = math.min(500 * (ahead + 1), line_ms / 6)
  local last = tonumber(redis.call("ZRANGE", KEYS[3], -1, -1, "WITHSCORES")[2] or 0)
  if not ticket then redis.call("ZADD", KEYS[3], text(math.max(now, last + 1)), account) end
  redis.call("ZADD", KEYS[5], text(now + line_ms), account)
  for key = 3, 5, 2 do redis.call("PEXPIRE", KEYS[key], text(line_ms)) end
  return { "full", text(used), text(ahead), text(math.min(math.max(wait, closed - now), line_ms / 3)) }
end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", text(now))
if heir then redis.call("ZREM", KEYS[1], heir) end
for key = 3, ticket and not (mine or heir) and 5 or 0, 2 do redis.call("ZREM", KEYS[key], account) end
redis.call("ZADD", KEYS[1], text(now + ARGV[4]), mine or account == "" and holder or account .. "|" .. holder)
if redis.call("PTTL", KEYS[1]) < ARGV[4] + 3600000 then redis.call("PEXPIRE", KEYS[1], text(ARGV[4] + 3600000)) end
local verdict = mine and "renewed" or heir and "inherited" or "taken"
return { verdict, text(redis.call("ZCOUNT", KEYS[1], live, "+inf")), "0", "0" }
