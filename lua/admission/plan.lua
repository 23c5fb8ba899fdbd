--[[ admission/plan
  Remember which plan an account holds and when its boost ends, as the database said. What is known and newer stays.
  The boost is written even where there is none, and outlives the plan: a missing one is unknown, never over.

  KEYS   1 plan      string  "version|plan"                            2 boost     string  when it ends in ms, 0 = none
  ARGV   1 now_ms ("" = server clock)   2 version   3 token   4 ttl_ms   5 boost_until ("" = no boost)
  RETURN { verdict }     verdict: remembered | newer
]]
local now = tonumber(ARGV[1])
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
local version = tonumber(string.match(redis.call("GET", KEYS[1]) or "", "^(%d+)|"))
if version and version > tonumber(ARGV[2]) then return { "newer" } end

redis.call("SET", KEYS[1], ARGV[3], "PX", ARGV[4])
local boost_until = tonumber(ARGV[5]) or 0
local stay = math.max(boost_until - now, tonumber(ARGV[4]))
redis.call("SET", KEYS[2], string.format("%.0f", boost_until), "PX", string.format("%.0f", stay))
return { "remembered" }
