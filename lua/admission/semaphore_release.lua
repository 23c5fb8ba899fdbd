--[[ admission/semaphore_release
  Give a place back. Always safe to repeat, and never another holder's.

  KEYS   1 semaphore zset    holder -> expiry ms
  ARGV   1 holder
  RETURN { verdict }     verdict: released | absent
]]
return { redis.call("ZREM", KEYS[1], ARGV[1]) == 1 and "released" or "absent" }
