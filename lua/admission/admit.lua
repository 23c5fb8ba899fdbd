--[[ admission/admit
  Decide one order whole: replay it, name every limit that binds, or take every unit and place at once.
  A refusal and a dry run write nothing. What was never confirmed is taken again without new units, but in a new hour.
  KEYS   1 claim string "state|fingerprint|lease|until_ms"   2 boost string its end, ms   3 plan string its token
         4..6 month, hour, full strings of units used   7 cooldown string "until_ms|lease"   8 receipt string README.md
         9 leases zset lease -> expiry ms   10 pending zset "account|lease" -> confirm by, ms
        11..12 place, rival zsets "account|holder" -> expiry ms of both lanes   13 line zset who waits for the place
  ARGV   1 now_ms ("" = server clock)   2 dry ("1")   3 member "account|lease"   4 fingerprint   5 plan's token
         6 hours since 1970   7 units   8 full_units   9 cooling ("1" = the draft's cooldown counts)
        10 names that the receipt keeps   11 limits "month|hour|full|concurrent|cooldown_ms" (full "" = no cap)
        12 the same while boosted   13 cap ("" = no place is wanted)   14 capacity of both lanes   15 rival_floor
  RETURN { "replay", lease } | { "busy", wait_ms } | { "reused" } | { "skew", now_ms } | { "ask", units or "" }
         { "refused" | "admitted", now_ms, boosted, held before, binding policies, boost_until, cooled_until, units,
           hour units, full units, leases, own lease, when it frees, places, own place, when it frees }   all as before
]]
local member, lease, now = ARGV[3], string.match(ARGV[3], "|(.*)"), tonumber(ARGV[1])
local function text(number) return string.format("%d", number) end
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
local got = redis.call("MGET", KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8])
local claim, claimed, claimant, claim_ends = string.match(got[1] or "", "^(%a+)|([^|]*)|([^|]*)|(%d*)")
local receipt, received, month, hour = string.match(got[8] or "", "^(%a+)|([^|]*)|[^|]*|[^|]*|[^|]*|(%d*)|(%d*)")
if (claim or receipt) and ARGV[2] ~= "1" then
  if (claimed or ARGV[4]) ~= ARGV[4] or (received or "") ~= "" and received ~= ARGV[4] then return { "reused" } end
  if claim == "done" or receipt and receipt ~= "pending" then return { "replay", claimant or lease } end
  if claim and tonumber(claim_ends) > now then return { "busy", text(claim_ends - now) } end
end
if math.floor(now / 3600000) ~= tonumber(ARGV[6]) then return { "skew", text(now) } end
if got[3] ~= ARGV[5] or not (got[2] and got[4] and got[6]) then return { "ask", got[6] and got[4] or "" } end
local units, full_units, cap = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[13])
local held = receipt == "pending" and month == string.sub(ARGV[10], 1, 6)
local monthly, fully = held and 0 or units, held and 0 or full_units
local hourly = held and hour == string.sub(ARGV[10], 8, 17) and 0 or units
local boosted, binding, live = tonumber(got[2]) > now, {}, "(" .. text(now)
local limits = boosted and ARGV[12] or ARGV[11]
local most, most_hour, most_full, most_leases, cool = string.match(limits, "^(%d+)|(%d+)|(%d*)|(%d+)|(%d+)")
local function weigh(policy, limit, used, need)
  if need > 0 and used + need > limit then table.insert(binding, policy) end
end
local function weigh_places(policy, limit, key, who)
  local used, until_ms = redis.call("ZCOUNT", key, live, "+inf"), receipt and redis.call("ZSCORE", key, who) or 0
  weigh(policy, limit, used, tonumber(until_ms) > now and 0 or 1)
  local nth = binding[#binding] == policy and math.max(used - limit, 0)
  local first = nth and redis.call("ZRANGEBYSCORE", key, live, "+inf", "WITHSCORES", "LIMIT", nth, 1)[2]
  return used, tonumber(until_ms) > now and "1" or "", first or ""
end
local cooled_until, cooled_by = string.match(got[7] or "", "^(%d+)|(.*)")
local cools = ARGV[9] == "1" and cooled_by ~= lease
weigh("cooldown", 0, 0, cools and cooled_until and tonumber(cooled_until) > now and 1 or 0)
weigh("generations_month", tonumber(most), got[4], monthly)
weigh("generations_hour", tonumber(most_hour), got[5] or 0, hourly)
weigh("full_regenerations_month", tonumber(most_full) or math.huge, got[6], fully)
local leases, mine, lapses = weigh_places("concurrent", tonumber(most_leases), KEYS[9], lease)
local rivals = cap and math.max(redis.call("ZCOUNT", KEYS[12], live, "+inf"), tonumber(ARGV[15]))
local known = redis.call("EXISTS", KEYS[10], KEYS[13], KEYS[13]) -- 1 for pending, 2 for the line
local room = cap and (known < 2 and math.min(cap, ARGV[14] - rivals) or 0) or math.huge
local places, placed, opens = weigh_places("provider_place", room, KEYS[11], member)
local answer = { binding[1] and "refused" or "admitted", string.sub(live, 2), boosted and "1" or "",
  held and (hourly == 0 and "hour" or "month") or "", table.concat(binding, ","), got[2],
  cools and cooled_until or "", got[4], got[5] or "0", got[6], leases, mine, lapses, places, placed, opens }
if binding[1] or ARGV[2] == "1" then return answer end
-- Every limit holds. Nothing above this line wrote; everything below does; a receipt names the hour that counts.
if monthly > 0 then redis.call("INCRBY", KEYS[4], monthly) end
if fully > 0 then redis.call("INCRBY", KEYS[6], fully) end
redis.call("INCRBY", KEYS[5], hourly)
if not got[5] then redis.call("PEXPIRE", KEYS[5], text((ARGV[6] + 3) * 3600000 - now)) end
local cooled = cools and not held and cool ~= "0" and text(now + cool) .. "|" .. lease
if cooled then redis.call("SET", KEYS[7], cooled, "PX", text(cool + 60000)) end
local leased_until, confirm_by, mark = text(now + 30000), text(now + 60000), "pending|" .. ARGV[4] .. "|"
redis.call("ZADD", KEYS[9], leased_until, lease)
if leases == 0 then redis.call("PEXPIRE", KEYS[9], "3630000") end
redis.call("ZADD", KEYS[10], confirm_by, member)
if known % 2 == 0 then redis.call("PEXPIRE", KEYS[10], "7200000") end
if cap then redis.call("ZADD", KEYS[11], leased_until, member) end
if cap and places == 0 then redis.call("PEXPIRE", KEYS[11], "3630000") end
redis.call("SET", KEYS[1], mark .. lease .. "|" .. confirm_by, "PX", "60000")
local took = mark .. ARGV[7] .. "|" .. ARGV[8] .. "||" .. ARGV[10]
if not held or hourly > 0 then redis.call("SET", KEYS[8], took, "PX", "172800000") end
return answer
