--[[ admission/withdraw
  Give back everything that one unconfirmed admission took, once. What was confirmed stays: the database says it runs.
  All keys but the claim's and the leases' are the very ones that the receipt names.

  KEYS   1 claim     hash    the Idempotency-Key's record            2 receipt   hash    what the lease took
         3 month     string  units used in that month                4 hour      string  units used in that hour
         5 full      string  full regenerations in that month        6 cooldown  string  "until_ms|lease"
         7 leases    zset    lease -> expiry ms                      8 place     zset    holder -> expiry ms
  ARGV   1 lease
  RETURN { verdict }     verdict: withdrawn | confirmed | unknown
]]
local lease = ARGV[1]
local claim = redis.call("HMGET", KEYS[1], "state", "lease")
local receipt = redis.call("HMGET", KEYS[2], "state", "month", "hour", "full", "units", "full_units", "refunded")
if receipt[1] and receipt[1] ~= "pending" then return { "confirmed" } end
if claim[1] == "pending" and claim[2] == lease then redis.call("DEL", KEYS[1]) end
redis.call("ZREM", KEYS[7], lease)
redis.call("ZREM", KEYS[8], lease)
local named = receipt[2] == KEYS[3] and receipt[3] == KEYS[4] and receipt[4] == KEYS[5]
if not named then return { "unknown" } end

redis.call("DEL", KEYS[2])
local took = receipt[7] and {} or { [KEYS[3]] = receipt[5], [KEYS[4]] = receipt[5], [KEYS[5]] = receipt[6] }
for key, units in pairs(took) do
  local used = tonumber(redis.call("GET", key) or 0)
  local back = math.min(used, tonumber(units))
  if back > 0 then redis.call("DECRBY", key, string.format("%.0f", back)) end
end
local cooldown = redis.call("GET", KEYS[6])
if cooldown and string.match(cooldown, "|(.*)$") == lease then redis.call("DEL", KEYS[6]) end
return { "withdrawn" }
