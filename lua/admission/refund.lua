--[[ admission/refund
  Give an admitted generation's units back to the periods in which it was admitted, once, and end its own cooldown.
  Its lease and place are untouched: release returns those. KEYS 2 to 5 are the very keys that the receipt names.

  KEYS   1 receipt   hash    what the lease took
         2 month     string  units used in that month                3 hour      string  units used in that hour
         4 full      string  full regenerations in that month        5 cooldown  string  "until_ms|lease"
  ARGV   1 lease
  RETURN { verdict }     verdict: refunded | already | unknown (no receipt, so nobody here knows what it took)
]]
local receipt = redis.call("HMGET", KEYS[1], "refunded", "month", "hour", "full", "units", "full_units")
if receipt[1] then return { "already" } end
local named = receipt[2] == KEYS[2] and receipt[3] == KEYS[3] and receipt[4] == KEYS[4]
if not named then return { "unknown" } end

redis.call("HSET", KEYS[1], "refunded", "1")
for key, units in pairs({ [KEYS[2]] = receipt[5], [KEYS[3]] = receipt[5], [KEYS[4]] = receipt[6] }) do
  local used = tonumber(redis.call("GET", key) or 0)
  local back = math.min(used, tonumber(units))
  if back > 0 then redis.call("DECRBY", key, string.format("%.0f", back)) end
end
local cooldown = redis.call("GET", KEYS[5])
if cooldown and string.match(cooldown, "|(.*)$") == ARGV[1] then redis.call("DEL", KEYS[5]) end
return { "refunded" }
