--[[ admission/release
  End a generation's lease, and the place it took at admission if nobody adopted that. Always safe to repeat.
  The receipt stays for a while and says so: a late confirm, renewal or hydration cannot bring the lease back.

  KEYS   1 leases    zset    lease -> expiry ms                    2 receipt   string  what the lease took
         3 place     zset    "account|holder" -> expiry ms: the one that the receipt names
         4 pending   zset    "account|lease" -> confirm by, ms
  ARGV   1 lease   2 account
  RETURN { verdict }     verdict: released | already
]]
local member = ARGV[2] .. "|" .. ARGV[1]
local held = redis.call("ZREM", KEYS[1], ARGV[1])
redis.call("ZREM", KEYS[3], member)
redis.call("ZREM", KEYS[4], member)
local receipt = redis.call("GET", KEYS[2])
local told = receipt and string.gsub(receipt, "^%a+", "released", 1) or "released||||||||||"
local stay = math.max(redis.call("PTTL", KEYS[2]), 172800000)
redis.call("SET", KEYS[2], told, "PX", string.format("%.0f", stay))
return { held == 1 and "released" or "already" }
