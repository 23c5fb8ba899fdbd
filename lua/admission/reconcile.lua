--[[ admission/reconcile
  Set an account's counters to what the database counted, unless somebody moved them meanwhile or an order of the
  account is between admission and commit, where the two must differ. A missing counter stays missing.

  KEYS   1 month     string  units used in the month              2 hour      string  units used in the clock hour
         3 full      string  full regenerations in the month      4 pending   zset    "account|lease" -> confirm by, ms
  ARGV   1 account   2..4 month, hour, full as they were read ("" = missing)   5..7 the same as the database counts them
  RETURN { verdict }     verdict: repaired | moved | busy
]]
local got = redis.call("MGET", KEYS[1], KEYS[2], KEYS[3])
for at = 1, 3 do
  if (got[at] or "") ~= ARGV[at + 1] then return { "moved" } end
end
for _, member in ipairs(redis.call("ZRANGE", KEYS[4], 0, -1)) do
  if string.match(member, "^[^|]*") == ARGV[1] then return { "busy" } end
end
for at = 1, 3 do
  local stay = got[at] and redis.call("PTTL", KEYS[at]) or 0
  if stay > 0 then redis.call("SET", KEYS[at], ARGV[at + 4], "PX", string.format("%.0f", stay)) end
end
return { "repaired" }
