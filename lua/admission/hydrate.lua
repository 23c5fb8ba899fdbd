--[[ admission/hydrate
  Put back what the database knows of an account: the month's counters and its live leases. Runs only while a monthly
  counter is missing, so it may be raced and repeated: the first writer wins. A released lease stays released.

  KEYS   1 month     string  units used in the month
         2 hour      string  units used in the clock hour
         3 full      string  full regenerations in the month
         4 leases    zset    lease -> expiry ms
         5.. receipt hash    one for each lease, in the order of ARGV 7..
  ARGV   1 now_ms ("" = server clock)   2 month_end   3 hour_end   4 units   5 hour_units   6 full_units
         7.. (lease, expiry_ms)*
  RETURN { verdict }     verdict: hydrated | warm
]]
local now = tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call("EXISTS", KEYS[1]) == 1 and redis.call("EXISTS", KEYS[3]) == 1 then return { "warm" } end

local month_stay = text(math.max(ARGV[2] - now, 0) + 3024000000)
local hour_stay = text(math.max(ARGV[3] - now, 0) + 7200000)
redis.call("SET", KEYS[1], ARGV[4], "NX", "PX", month_stay)
redis.call("SET", KEYS[2], ARGV[5], "NX", "PX", hour_stay)
redis.call("SET", KEYS[3], ARGV[6], "NX", "PX", month_stay)
for at = 7, #ARGV, 2 do
  local lease, expiry, receipt = ARGV[at], ARGV[at + 1], KEYS[(at - 7) / 2 + 5]
  local left = math.max(expiry - now, 0)
  if redis.call("HGET", receipt, "state") ~= "released" and left > 0 then
    redis.call("ZADD", KEYS[4], "NX", expiry, lease)
    redis.call("HSETNX", receipt, "state", "confirmed")
    for key, stay in pairs({ [KEYS[4]] = left + 3600000, [receipt] = left + 172800000 }) do
      if redis.call("PTTL", key) < stay then redis.call("PEXPIRE", key, text(stay)) end
    end
  end
end
return { "hydrated" }
