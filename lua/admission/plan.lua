--[[ admission/plan
  Remember which plan an account holds and when its boost ends, as the database said. What is known and newer stays.

  KEYS   1 plan      string  "version|plan|digest of all plans"        2 boost     string  instant in ms at which it ends
  ARGV   1 now_ms ("" = server clock)   2 version   3 token   4 ttl_ms   5 boost_until ("" = no boost)
  RETURN { verdict }     verdict: remembered | newer
]]
local now = tonumber(ARGV[1])
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
local version = tonumber(string.match(redis.call("GET", KEYS[1]) or "", "^(%d+)|"))
if version and version > tonumber(ARGV[2]) then return { "newer" } end

redis.call("SET", KEYS[1], ARGV[3], "PX", ARGV[4])
local left = (tonumber(ARGV[5]) or 0) - now
if left > 0 then redis.call("SET", KEYS[2], ARGV[5], "PX", string.format("%.0f", left))
else redis.call("DEL", KEYS[2]) end
return { "remembered" }
