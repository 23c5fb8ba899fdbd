--[[ admission/refund
  Give an admitted generation's units back to the month in which it was admitted, once, and end its own cooldown. Its
  hour stays used: the burst guards against load, and there was load. Lease and place are untouched: release ends those.

  KEYS   1 receipt   hash    what the lease took, and the very keys that follow
         2 month     string  units used in that month
         3 full      string  full regenerations in that month
         4 cooldown  string  "until_ms|lease"
  ARGV   1 lease
  RETURN { verdict }     verdict: refunded | already | unknown (no receipt, so nobody here knows what it took)
]]
local receipt = redis.call("HMGET", KEYS[1], "refunded", "month", "full", "units", "full_units")
if receipt[1] then return { "already" } end
if receipt[2] ~= KEYS[2] or receipt[3] ~= KEYS[3] then return { "unknown" } end

redis.call("HSET", KEYS[1], "refunded", "1")
for key, units in pairs({ [KEYS[2]] = receipt[4], [KEYS[3]] = receipt[5] }) do
  local used = tonumber(redis.call("GET", key) or 0)
  local back = math.min(used, tonumber(units))
  if back > 0 then redis.call("DECRBY", key, string.format("%.0f", back)) end
end
local cooldown = redis.call("GET", KEYS[4])
if cooldown and string.match(cooldown, "|(.*)$") == ARGV[1] then redis.call("DEL", KEYS[4]) end
return { "refunded" }
