--[[ admission/release
  End a generation's lease, and the place it took at admission if nobody adopted that. Always safe to repeat.
  The receipt stays for a while and says so: a late confirm, renewal or hydration cannot bring the lease back.

  KEYS   1 leases    zset    lease -> expiry ms
         2 receipt   hash    what the lease took
         3 place     zset    holder -> expiry ms: the one that the receipt names
  ARGV   1 lease
  RETURN { verdict }     verdict: released | already
]]
local held = redis.call("ZREM", KEYS[1], ARGV[1])
redis.call("ZREM", KEYS[3], ARGV[1])
redis.call("HSET", KEYS[2], "state", "released")
if redis.call("PTTL", KEYS[2]) < 172800000 then redis.call("PEXPIRE", KEYS[2], "172800000") end
return { held == 1 and "released" or "already" }
