--[[ admission/confirm
  After the commit: the short unconfirmed lease and place hold until the queue's deadline, and the claim is done.
  The database's word wins over a receipt that was lost or withdrawn; "rebuilt" then asks to count from it again.
  A lease that lapsed meanwhile is held anew; a place that lapsed is not, as another may have it.

  KEYS   1 claim     string  the Idempotency-Key's record         2 receipt   string  what the lease took
         3 leases    zset    lease -> expiry ms                   4 place     zset    "account|holder" -> expiry ms
         5 pending   zset    "account|lease" -> confirm by, ms
  ARGV   1 now_ms ("" = server clock)   2 lease   3 account   4 fingerprint   5 deadline_ms
         6 done_ms (how long a replay is known)   7 placed ("1" = the order holds a provider place)
  RETURN { verdict, now_ms }     verdict: confirmed | rebuilt | ended (released before we came: nothing is held again)
]]
local lease, member, now = ARGV[2], ARGV[3] .. "|" .. ARGV[2], tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local receipt = redis.call("GET", KEYS[2])
local state = string.match(receipt or "", "^%a+")
redis.call("SET", KEYS[1], "done|" .. ARGV[4] .. "|" .. lease .. "|", "PX", ARGV[6])
redis.call("ZREM", KEYS[5], member)
redis.call("PEXPIRE", KEYS[5], "7200000") -- for whoever else waits there
if state == "released" then return { "ended", text(now) } end

local left = math.max(ARGV[5] - now, 0)
local stay = math.max(left + 172800000, redis.call("PTTL", KEYS[2]))
local told = receipt and string.gsub(receipt, "^%a+|[^|]*", "confirmed|" .. ARGV[4], 1)
redis.call("SET", KEYS[2], told or "confirmed|" .. ARGV[4] .. "|||||||||", "PX", text(stay))
local placed = ARGV[7] == "1" and state == "pending" and redis.call("ZSCORE", KEYS[4], member)
placed = placed and tonumber(placed) > now -- a lapsed place may be another's by now
for key, who in pairs({ [KEYS[3]] = lease, [KEYS[4]] = placed and member or nil }) do
  redis.call("ZREMRANGEBYSCORE", key, "-inf", text(now))
  local known = tonumber(redis.call("ZSCORE", key, who) or 0)
  redis.call("ZADD", key, text(math.max(known, now + left)), who)
  if redis.call("PTTL", key) < left + 3600000 then redis.call("PEXPIRE", key, text(left + 3600000)) end
end
return { state and "confirmed" or "rebuilt", text(now) }
