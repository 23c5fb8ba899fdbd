--[[ admission/cooldown
  Start a draft's cooldown unless one runs. Its own lease may ask again: it learns until when, and prolongs nothing.

  KEYS   1 cooldown  string  "until_ms|lease"
  ARGV   1 now_ms ("" = server clock)   2 lease   3 cooldown_ms (0 = none is started)
  RETURN { verdict, now_ms, until_ms }     verdict: started | own | cooling
]]
local now = tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local known, by = string.match(redis.call("GET", KEYS[1]) or "0|", "^(%d+)|(.*)$")
if tonumber(known) > now then return { by == ARGV[2] and "own" or "cooling", text(now), known } end

local ends = now + ARGV[3]
if ends > now then redis.call("SET", KEYS[1], text(ends) .. "|" .. ARGV[2], "PX", text(ARGV[3] + 60000)) end
return { "started", text(now), text(ends) }
