--[[ admission/counter_with_limit
  Add to one counter unless that would pass its limit. A refusal writes nothing; a new counter starts with its TTL.

  KEYS   1 counter   string  units used
  ARGV   1 units   2 limit   3 ttl_ms (from the first unit)   4 missing ("zero" = it starts, "ask" = PostgreSQL knows)
  RETURN { verdict, used }     verdict: counted | refused | hydrate
]]
local known = redis.call("GET", KEYS[1])
if not known and ARGV[4] == "ask" then return { "hydrate", "0" } end
local used = tonumber(known or 0)
if used + ARGV[1] > tonumber(ARGV[2]) then return { "refused", string.format("%.0f", used) } end

redis.call("INCRBY", KEYS[1], ARGV[1])
if not known then redis.call("PEXPIRE", KEYS[1], ARGV[3]) end
return { "counted", string.format("%.0f", used + ARGV[1]) }
