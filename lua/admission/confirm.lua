--[[ admission/confirm
  After the commit: the short unconfirmed lease and place hold until the queue's deadline, and the claim is done.
  The database's word wins over a receipt that was lost or withdrawn; "rebuilt" then asks to count from it again.

  KEYS   1 claim     hash    the Idempotency-Key's record
         2 receipt   hash    what the lease took
         3 leases    zset    lease -> expiry ms
         4 place     zset    holder -> expiry ms
  ARGV   1 now_ms ("" = server clock)   2 lease   3 fingerprint   4 deadline_ms   5 done_ms (how long a replay is known)
         6 placed ("1" = the order holds a provider place)
  RETURN { verdict, now_ms }     verdict: confirmed | rebuilt | ended (released before we came: nothing is held again)
]]
local lease, now = ARGV[2], tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local state = redis.call("HGET", KEYS[2], "state")
redis.call("HSET", KEYS[1], "state", "done", "fingerprint", ARGV[3], "lease", lease)
redis.call("PEXPIRE", KEYS[1], ARGV[5])
if state == "released" then return { "ended", text(now) } end

local left = math.max(ARGV[4] - now, 0)
local stay = left + 172800000
redis.call("HSET", KEYS[2], "state", "confirmed", "fingerprint", ARGV[3])
if redis.call("PTTL", KEYS[2]) < stay then redis.call("PEXPIRE", KEYS[2], text(stay)) end
local placed = ARGV[6] == "1" and state == "pending" and redis.call("ZSCORE", KEYS[4], lease)
for _, key in ipairs({ KEYS[3], placed and KEYS[4] or nil }) do
  local known = tonumber(redis.call("ZSCORE", key, lease) or 0)
  redis.call("ZADD", key, text(math.max(known, now + left)), lease)
  if redis.call("PTTL", key) < left + 3600000 then redis.call("PEXPIRE", key, text(left + 3600000)) end
end
return { state and "confirmed" or "rebuilt", text(now) }
