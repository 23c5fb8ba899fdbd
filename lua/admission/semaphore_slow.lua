--[[ admission/semaphore_slow
  A provider said 429: close its lane for wait_ms and halve its cap, which then grows by one a minute without another.
  Calls that were under way when it closed say 429 too: while it is closed, they only keep it closed for longer.

  KEYS   1 brake     string  "closed_until|cap|at_ms": cap is what held at at_ms
  ARGV   1 now_ms ("" = server clock)   2 wait_ms   3 cap (the lane's own)
  RETURN { verdict, cap, closed_until }     verdict: slowed | closed
]]
local now, own = tonumber(ARGV[1]), tonumber(ARGV[3])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local closed, slowed, at = string.match(redis.call("GET", KEYS[1]) or "0|" .. ARGV[3] .. "|0", "^(%d+)|(%d+)|(%d+)$")
local verdict = tonumber(closed) > now and "closed" or "slowed"
local cap = math.min(own, slowed + math.floor(math.max(now - at, 0) / 60000))
if verdict == "slowed" then cap = math.max(1, math.floor(cap / 2)) end
local opens = math.max(tonumber(closed), now + ARGV[2])
local stay = opens - now + (own - cap + 1) * 60000
redis.call("SET", KEYS[1], text(opens) .. "|" .. text(cap) .. "|" .. text(opens), "PX", text(stay))
return { verdict, text(cap), text(opens) }
