--[[ admission/admit
  Decide one order whole: replay it, name every limit that binds, or take every unit and place at once.
  A refusal and a dry run write nothing. What was never confirmed is taken again without new units, but in a new hour.
  KEYS   1 claim    string "state|fingerprint|lease|until_ms"  2 boost   string its end, ms   3 plan  string its token
         4 month    string units used in the month             5 hour    string units used in the clock hour
         6 full     string full regenerations in the month     7 cooldown string "until_ms|lease"
         8 receipt  string see lua/README.md                   9 leases  zset   lease -> expiry ms
        10 pending  zset   "account|lease" -> confirm by, ms  11 place   zset   "account|holder" -> expiry ms
        12 rival    zset   the other lane's places            13 line    hash   accounts that wait for this place
  ARGV   1 now_ms ("" = server clock)   2 dry ("1")   3 lease   4 account   5 fingerprint   6 plan's token
         7 hour_start   8 hour_end   9 units   10 full_units   11 cooling ("1" = the draft's cooldown counts)
        12 place_cap ("" = no place)   13 capacity of both lanes   14 rival_floor   15 unconfirmed_ms   16 claim_ms
        17..21 limits: month, hour, full ("" = no cap), concurrent, cooldown_ms   22..26 the same while boosted
  RETURN { "replay", lease } | { "busy", wait_ms } | { "reused" } | { "skew", now_ms } | { "ask" } (PostgreSQL knows)
         { "refused" | "admitted", now_ms, boosted, held before, binding policies, boost_until, cooled_until, units,
           hour units, full units, leases, own lease, when it frees, places, own place, when it frees }   all as before
]]
local lease, member, units, full_units = ARGV[3], ARGV[4] .. "|" .. ARGV[3], ARGV[9], ARGV[10]
local function text(number) return string.format("%.0f", number) end
local now, dry = tonumber(ARGV[1]), ARGV[2] == "1"
local time = now and { 0, 0 } or redis.call("TIME")
now = now or time[1] * 1000 + math.floor(time[2] / 1000)
local got = redis.call("MGET", KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8])
local claim, claimed, claimant, until_ms = string.match(got[1] or "", "^(%a+)|([^|]*)|([^|]*)|(%d*)$")
local receipt, received, month, hour = string.match(got[8] or "", "^(%a+)|([^|]*)|[^|]*|[^|]*|[^|]*|([^|]*)|([^|]*)|")
local other = (claimed or ARGV[5]) ~= ARGV[5] or (received or "") ~= "" and received ~= ARGV[5]
if not dry and other then return { "reused" } end
if not dry and (claim == "done" or receipt and receipt ~= "pending") then return { "replay", claimant or lease } end
if not dry and claim and tonumber(until_ms) > now then return { "busy", text(until_ms - now) } end
if now < tonumber(ARGV[7]) or now >= tonumber(ARGV[8]) then return { "skew", text(now) } end
if got[3] ~= ARGV[6] or not (got[2] and got[4] and got[6]) then return { "ask" } end
local held, boosted, binding = receipt == "pending" and month == KEYS[4], tonumber(got[2]) > now, {}
local monthly, hourly = held and "0" or units, held and hour == KEYS[5] and "0" or units
local limits, live, fully = boosted and 22 or 17, "(" .. text(now), held and "0" or full_units
local function weigh(policy, limit, used, need)
  if limit ~= "" and need > 0 and used + need > tonumber(limit) then table.insert(binding, policy) end
end
local function weigh_places(policy, key, who, limit)
  local used = redis.call("ZCOUNT", key, live, "+inf")
  local mine = used > 0 and receipt and tonumber(redis.call("ZSCORE", key, who) or 0) > now
  weigh(policy, limit, used, mine and 0 or 1)
  local nth = binding[#binding] == policy and text(math.max(used - tonumber(limit), 0))
  local last = nth and redis.call("ZRANGEBYSCORE", key, live, "+inf", "WITHSCORES", "LIMIT", nth, 1)[2]
  return text(used), mine and "1" or "", last or ""
end
local cooled_until, cooled_by = string.match(got[7] or "", "^(%d+)|(.*)$")
local cools = ARGV[11] == "1" and cooled_by ~= lease
weigh("cooldown", "0", 0, cools and cooled_until and tonumber(cooled_until) > now and 1 or 0)
weigh("generations_month", ARGV[limits], got[4], tonumber(monthly))
weigh("generations_hour", ARGV[limits + 1], got[5] or 0, tonumber(hourly))
weigh("full_regenerations_month", ARGV[limits + 2], got[6], tonumber(fully))
local running, mine, frees = weigh_places("concurrent", KEYS[9], lease, ARGV[limits + 3])
local taken, placed, opens = "0", "", ""
if ARGV[12] ~= "" then
  local room = ARGV[13] - math.max(redis.call("ZCOUNT", KEYS[12], live, "+inf"), tonumber(ARGV[14]))
  room = redis.call("EXISTS", KEYS[13]) == 1 and 0 or math.min(tonumber(ARGV[12]), room)
  taken, placed, opens = weigh_places("provider_place", KEYS[11], member, room)
end
local answer = { #binding > 0 and "refused" or "admitted", string.sub(live, 2), boosted and "1" or "",
  held and (hourly == "0" and "hour" or "month") or "", table.concat(binding, ","), got[2],
  cools and cooled_until or "", got[4], got[5] or "0", got[6], running, mine, frees, taken, placed, opens }
if #binding > 0 or dry then return answer end
-- Every limit holds. Nothing above this line wrote; everything below does; a receipt names the hour that counts.
if monthly ~= "0" then redis.call("INCRBY", KEYS[4], monthly) end
if fully ~= "0" then redis.call("INCRBY", KEYS[6], fully) end
redis.call("INCRBY", KEYS[5], hourly)
if not got[5] then redis.call("PEXPIRE", KEYS[5], text(ARGV[8] - now + 7200000)) end
local cool = cools and not held and tonumber(ARGV[limits + 4]) or 0
if cool > 0 then redis.call("SET", KEYS[7], text(now + cool) .. "|" .. lease, "PX", text(cool + 60000)) end
local leased_until, confirm_by = text(now + ARGV[15]), text(now + ARGV[16])
redis.call("ZADD", KEYS[9], leased_until, lease)
if running == "0" then redis.call("PEXPIRE", KEYS[9], text(ARGV[15] + 3600000)) end
redis.call("ZADD", KEYS[10], confirm_by, member)
redis.call("PEXPIRE", KEYS[10], "3600000")
if ARGV[12] ~= "" then redis.call("ZADD", KEYS[11], leased_until, member) end
if ARGV[12] ~= "" and taken == "0" then redis.call("PEXPIRE", KEYS[11], text(ARGV[15] + 3600000)) end
redis.call("SET", KEYS[1], "pending|" .. ARGV[5] .. "|" .. lease .. "|" .. confirm_by, "PX", ARGV[16])
local took = { "pending", ARGV[5], units, full_units, "", KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[11], KEYS[1] }
if not held or hourly ~= "0" then redis.call("SET", KEYS[8], table.concat(took, "|"), "PX", "172800000") end
return answer
