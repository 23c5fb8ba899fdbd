--[[ admission/semaphore_release
  Give a place back, whichever account it was taken for. Always safe to repeat, and never another holder's.

  KEYS   1 semaphore zset    "account|holder" or a bare holder -> expiry ms
  ARGV   1 holder
  RETURN { verdict }     verdict: released | absent
]]
local verdict = "absent"
for _, member in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", "+inf")) do
  if (string.match(member, "|(.*)$") or member) == ARGV[1] then
    redis.call("ZREM", KEYS[1], member)
    verdict = "released"
  end
end
return { verdict }
