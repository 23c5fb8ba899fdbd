--[[ admission/peek
  Read where an account stands; write nothing. A missing value is "": of a month's counters it means "ask PostgreSQL".

  KEYS   1 boost     string  instant in ms at which the boost ends     2 plan      string  the token of the plan held
         3 month     string  units used in the month                   4 hour      string  units used in the clock hour
         5 full      string  full regenerations in the month           6 leases    zset    lease -> expiry ms
  ARGV   1 now_ms ("" = server clock)
  RETURN { now_ms, plan, boost_until, units, hour_units, full_units, live_leases, next_expiry_ms }
]]
local now = tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
local live = "(" .. text(now)
local got = redis.call("MGET", KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
local frees = redis.call("ZRANGEBYSCORE", KEYS[6], live, "+inf", "WITHSCORES", "LIMIT", 0, 1)[2]
local leases = text(redis.call("ZCOUNT", KEYS[6], live, "+inf"))
return { text(now), got[2] or "", got[1] or "", got[3] or "", got[4] or "", got[5] or "", leases, frees or "" }
