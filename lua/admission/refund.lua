--[[ admission/refund
  Give an admitted generation's units back to the month in which it was admitted, once, and end its own cooldown. Its
  hour stays used: the burst guards against load, and there was load. Lease and place are untouched: release ends those.

  KEYS   1 receipt   string  what the lease took; the other keys are the very ones that it names
         2 month     string  units used in that month
         3 full      string  full regenerations in that month
         4 cooldown  string  "until_ms|lease"
  ARGV   1 lease   2 receipt as it was read ("" = there was none)
  RETURN { verdict }     verdict: refunded | already | changed (since it was read: read it again)
         unknown (no receipt, or one rebuilt from the database: nobody here knows what it took)
]]
local receipt = redis.call("GET", KEYS[1])
if (receipt or "") ~= ARGV[2] then return { "changed" } end
local head, units, full_units, refunded, tail = string.match(receipt or "", "^(%a+|[^|]*)|(%d*)|(%d*)|(1?)|(.*)$")
if refunded == "1" then return { "already" } end
if (units or "") == "" then return { "unknown" } end

local stay = math.max(redis.call("PTTL", KEYS[1]), 1)
local told = { head, units, full_units, "1", tail }
redis.call("SET", KEYS[1], table.concat(told, "|"), "PX", string.format("%.0f", stay))
for key, number in pairs({ [KEYS[2]] = units, [KEYS[3]] = full_units }) do
  local back = math.min(tonumber(redis.call("GET", key) or 0), tonumber(number))
  if back > 0 then redis.call("DECRBY", key, string.format("%.0f", back)) end
end
local cooled_by = string.match(redis.call("GET", KEYS[4]) or "", "|(.*)$")
if cooled_by == ARGV[1] then redis.call("DEL", KEYS[4]) end
return { "refunded" }
