--[[ admission/renew
  Keep a generation's lease at least ttl_ms from now; never shorten it. A worker holds one, so its row was committed:
  an unconfirmed lease is confirmed by it. A lapsed lease stays lost, unless adopt says that the row is live.

  KEYS   1 leases    zset    lease -> expiry ms                    2 receipt   string  what the lease took
         3 pending   zset    "account|lease" -> confirm by, ms
  ARGV   1 now_ms ("" = server clock)   2 lease   3 account   4 ttl_ms   5 adopt ("1" = enter it again if it lapsed)
  RETURN { verdict, until_ms }     verdict: renewed | adopted | lost | ended (released: even adoption is refused)
]]
local lease, now = ARGV[2], tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local receipt = redis.call("GET", KEYS[2])
local known = tonumber(redis.call("ZSCORE", KEYS[1], lease) or 0)
if string.match(receipt or "", "^released|") then return { "ended", "0" } end
if known <= now and ARGV[5] ~= "1" then return { "lost", "0" } end

local held_until = math.max(known, now + ARGV[4])
local left = held_until - now
redis.call("ZADD", KEYS[1], text(held_until), lease)
if redis.call("PTTL", KEYS[1]) < left + 3600000 then redis.call("PEXPIRE", KEYS[1], text(left + 3600000)) end
redis.call("ZREM", KEYS[3], ARGV[3] .. "|" .. lease)
local told = receipt and string.gsub(receipt, "^%a+", "confirmed", 1) or "confirmed||||||||||"
local stay = math.max(redis.call("PTTL", KEYS[2]), left + 172800000)
redis.call("SET", KEYS[2], told, "PX", text(stay))
return { known > now and "renewed" or "adopted", text(held_until) }
