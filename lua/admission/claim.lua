--[[ admission/claim
  Claim an Idempotency-Key for one request, or say who has it. A claim whose request died is taken over.

  KEYS   1 claim     string  "state|fingerprint|lease|until_ms"; state: pending | done
  ARGV   1 now_ms ("" = server clock)   2 fingerprint   3 lease   4 claim_ms
  RETURN { verdict, lease, wait_ms }     verdict: claimed | replay | busy | reused
]]
local now = tonumber(ARGV[1])
local function text(number) return string.format("%.0f", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)

local state, fingerprint, lease, ends = string.match(redis.call("GET", KEYS[1]) or "", "^(%l+)|(.*)|(.*)|(%d*)$")
if state and fingerprint ~= ARGV[2] then return { "reused", "", "0" } end
if state == "done" then return { "replay", lease, "0" } end
if state and tonumber(ends) > now then return { "busy", lease, text(ends - now) } end

redis.call("SET", KEYS[1], "pending|" .. ARGV[2] .. "|" .. ARGV[3] .. "|" .. text(now + ARGV[4]), "PX", ARGV[4])
return { "claimed", ARGV[3], "0" }
