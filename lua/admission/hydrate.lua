--[[ admission/hydrate
  Put back what the database knows of an account: the month's counters, live leases, running cooldowns. Counters are
  put where they are missing, so it may be raced and repeated: the first writer wins. A lease is held to its deadline
  at least, even if it had lapsed unconfirmed; a released one stays released.

  KEYS   1 month     string  units used in the month              2 hour      string  units used in the clock hour
         3 full      string  full regenerations in the month      4 leases    zset    lease -> expiry ms
         5.. receipt string  one for each lease, then 1.. cooldown string "until_ms|lease", in the order of ARGV 8..
  ARGV   1 now_ms ("" = server clock)   2 month_end   3 hour_end   4 units   5 hour_units   6 full_units
         7 how many leases
         8.. (lease, expiry_ms) of each lease, then (lease, until_ms) of each cooldown
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
for at = 8, #ARGV, 2 do
  local number = (at - 8) / 2 + 1
  local lease, ends, key = ARGV[at], ARGV[at + 1], KEYS[number + 4]
  local left = math.max(ends - now, 0)
  if left > 0 and number > tonumber(ARGV[7]) then
    redis.call("SET", key, ends .. "|" .. lease, "NX", "PX", text(left + 60000))
  elseif left > 0 and not string.match(redis.call("GET", key) or "", "^released|") then
    redis.call("ZADD", KEYS[4], "GT", ends, lease)
    if redis.call("PTTL", KEYS[4]) < left + 3600000 then redis.call("PEXPIRE", KEYS[4], text(left + 3600000)) end
    redis.call("SET", key, "confirmed||||||||||", "NX", "PX", text(left + 172800000))
  end
end
return { "hydrated" }
