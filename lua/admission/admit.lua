--[[ admission/admit
  Decide one order whole: replay it, name every limit that binds, or take every unit and place at once.
  A refusal and a dry run write nothing. What was taken and never confirmed is taken again without second units.
  KEYS   1 claim     hash    state, fingerprint, lease, until: the Idempotency-Key's record
         2 boost     string  instant in ms at which the boost ends; wins over the caller's boost_until
         3 month     string  units used in the month             4 hour      string  units used in the clock hour
         5 full      string  full regenerations in the month     6 cooldown  string  "until_ms|lease"
         7 leases    zset    lease -> expiry ms                  8 receipt   hash    what the lease took, and where
         9 place     zset    holder -> expiry ms
  ARGV   1 now_ms ("" = server clock)   2 dry ("1")   3 lease   4 fingerprint   5 month_start   6 month_end
         7 hour_start   8 hour_end   9 units   10 full_units   11 boost_until ("" = none)   12 place_cap ("" = no place)
         13 unconfirmed_ms   14 claim_ms   15 cooling ("1" = the draft's cooldown counts)
         16..20 limits: month, hour, full ("" = no cap), concurrent, cooldown_ms   21..25 the same while boosted
  RETURN { "replay", lease } | { "busy", wait_ms } | { "reused" } | { "skew", now_ms } | { "hydrate" }
         { "refused", now_ms, boosted, (policy, limit, used, frees_at)* } | { "admitted", the same, this order counted }
]]
local lease, dry, now = ARGV[3], ARGV[2] == "1", tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
local claim = redis.call("HMGET", KEYS[1], "state", "fingerprint", "lease", "until")
local receipt = redis.call("HMGET", KEYS[8], "state", "fingerprint", "month")
if not dry then
  if (claim[2] or receipt[2] or ARGV[4]) ~= ARGV[4] then return { "reused" } end
  if claim[1] == "done" then return { "replay", claim[3] } end
  if receipt[1] and receipt[1] ~= "pending" then return { "replay", lease } end
  if claim[1] and tonumber(claim[4]) > now then return { "busy", text(claim[4] - now) } end
end
local month_end, hour_end = tonumber(ARGV[6]), tonumber(ARGV[8])
local skewed = now < tonumber(ARGV[5]) or now >= month_end or now < tonumber(ARGV[7]) or now >= hour_end
if skewed then return { "skew", text(now) } end
local got = redis.call("MGET", KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
if not (got[2] and got[4]) then return { "hydrate" } end
local held = receipt[1] == "pending" and receipt[3] == KEYS[3]
local boosted = (tonumber(got[1] or ARGV[11]) or 0) > now
local limits, units, full_units = boosted and 21 or 16, held and 0 or ARGV[9], held and 0 or ARGV[10]
local live, plan = "(" .. text(now), boosted and "1" or "0"
local refused, admitted = { "refused", text(now), plan }, { "admitted", text(now), plan }
local function weigh(policy, limit, used, need, frees_at)
  if limit == "" then return end
  local binds = need > 0 and used + need > tonumber(limit)
  local row = { policy, limit, text(binds and used or used + need), frees_at }
  for _, cell in ipairs(row) do table.insert(binds and refused or admitted, cell) end
end
local function weigh_places(policy, key, limit)
  local used = redis.call("ZCOUNT", key, live, "+inf")
  local nth = text(math.max(used - limit, 0))
  local frees = redis.call("ZRANGEBYSCORE", key, live, "+inf", "WITHSCORES", "LIMIT", nth, 1)[2]
  local mine = tonumber(redis.call("ZSCORE", key, lease) or 0) > now
  weigh(policy, limit, used, mine and 0 or 1, frees and text(frees) or "")
end
local cooled_until, cooled_by = string.match(got[5] or "0|", "^(%d+)|(.*)$")
local cooling = ARGV[15] == "1" and cooled_by ~= lease
if cooling and tonumber(cooled_until) > now then weigh("cooldown", "1", 1, 1, cooled_until) end
weigh("generations_month", ARGV[limits], tonumber(got[2]), tonumber(units), text(month_end))
weigh("generations_hour", ARGV[limits + 1], tonumber(got[3] or 0), tonumber(units), text(hour_end))
weigh("full_regenerations_month", ARGV[limits + 2], tonumber(got[4]), tonumber(full_units), text(month_end))
weigh_places("concurrent", KEYS[7], ARGV[limits + 3])
if ARGV[12] ~= "" then weigh_places("provider_place", KEYS[9], ARGV[12]) end
if #refused > 3 or dry then return #refused > 3 and refused or admitted end
-- Every limit holds. Nothing above this line wrote; everything below does, and a receipt is written once.
for key, used in pairs(held and {} or { [3] = units, [4] = units, [5] = full_units }) do
  redis.call("INCRBY", KEYS[key], used)
  redis.call("PEXPIRE", KEYS[key], text(key == 4 and hour_end - now + 7200000 or month_end - now + 3024000000))
end
local cool = cooling and not held and tonumber(ARGV[limits + 4]) or 0
if cool > 0 then redis.call("SET", KEYS[6], text(now + cool) .. "|" .. lease, "PX", text(cool + 60000)) end
for _, key in ipairs({ KEYS[7], ARGV[12] ~= "" and KEYS[9] or nil }) do
  redis.call("ZREMRANGEBYSCORE", key, "-inf", text(now))
  redis.call("ZADD", key, text(now + ARGV[13]), lease)
  if redis.call("PTTL", key) < ARGV[13] + 3600000 then redis.call("PEXPIRE", key, text(ARGV[13] + 3600000)) end
end
redis.call("HSET", KEYS[1], "state", "pending", "fingerprint", ARGV[4], "lease", lease, "until", text(now + ARGV[14]))
redis.call("PEXPIRE", KEYS[1], ARGV[14])
if not held then
  redis.call("HSET", KEYS[8], "state", "pending", "fingerprint", ARGV[4], "units", units, "full_units", full_units)
  redis.call("HSET", KEYS[8], "month", KEYS[3], "hour", KEYS[4], "full", KEYS[5], "cooldown", KEYS[6], "place", KEYS[9])
end
redis.call("PEXPIRE", KEYS[8], "172800000")
return admitted
