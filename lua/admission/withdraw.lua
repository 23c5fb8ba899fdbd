--[[ admission/withdraw
  Give back everything that one unconfirmed admission took, once. What was confirmed stays: the database says it runs.

  KEYS   1 receipt   string  what the lease took                   2 leases    zset    lease -> expiry ms
         3 pending   zset    "account|lease" -> confirm by, ms     and the very keys that the receipt names:
         4 month     string  units used in that month              5 hour      string  units used in that hour
         6 full      string  full regenerations in that month      7 cooldown  string  "until_ms|lease"
         8 place     zset    "account|holder" -> expiry ms         9 claim     string  the Idempotency-Key's record
  ARGV   1 lease   2 account   3 receipt as it was read ("" = there was none)
  RETURN { verdict }     verdict: withdrawn | confirmed | unknown | changed (since it was read: read it again)
]]
local lease, member = ARGV[1], ARGV[2] .. "|" .. ARGV[1]
local receipt = redis.call("GET", KEYS[1])
if (receipt or "") ~= ARGV[3] then return { "changed" } end
local state, units, full_units, refunded = string.match(receipt or "", "^(%a+)|[^|]*|(%d*)|(%d*)|(1?)|")
if state and state ~= "pending" then return { "confirmed" } end

redis.call("ZREM", KEYS[2], lease)
redis.call("ZREM", KEYS[3], member)
if not state then return { "unknown" } end
redis.call("PEXPIRE", KEYS[3], "7200000") -- for whoever else waits there
redis.call("ZREM", KEYS[8], member)
redis.call("DEL", KEYS[1])
local claimant = string.match(redis.call("GET", KEYS[9]) or "", "^pending|[^|]*|([^|]*)|")
if claimant == lease then redis.call("DEL", KEYS[9]) end
local took = { [KEYS[4]] = units, [KEYS[5]] = units, [KEYS[6]] = full_units }
for key, number in pairs(refunded == "" and took or {}) do
  local back = math.min(tonumber(redis.call("GET", key) or 0), tonumber(number))
  if back > 0 then redis.call("DECRBY", key, string.format("%.0f", back)) end
end
local cooled_by = string.match(redis.call("GET", KEYS[7]) or "", "|(.*)$")
if cooled_by == lease then redis.call("DEL", KEYS[7]) end
return { "withdrawn" }
