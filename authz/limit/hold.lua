-- Takes places of a concurrency limit, each until it is given back or its time has run out.
-- KEYS[1]  the places taken: a sorted set, by the time in us when each ends by itself
-- ARGV[1]  now in us, or 0: Redis's clock
-- ARGV[2]  how many places there are
-- ARGV[3]  us after which a place that nobody gives back is free again
-- ARGV[4]  how many to take, 0: only to look
-- ARGV[5]  what to call them: with :1, :2, ... after it
-- Returns allowed 0|1, places left, us until the next ends by itself, us until enough have.
local now, capacity, longest, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local used = redis.call('ZCARD', KEYS[1])
local allowed = used + wanted <= capacity

local function ends(index)
  local at = redis.call('ZRANGE', KEYS[1], index, index, 'WITHSCORES')[2]
  if not at then return 0 end
  return math.max(0, tonumber(at) - now)
end

local retry = 0
if not allowed then
  retry = longest
  if wanted <= capacity then retry = ends(used + wanted - capacity - 1) end
elseif wanted > 0 then
  local till = string.format('%.0f', now + longest)
  for i = 1, wanted do redis.call('ZADD', KEYS[1], till, ARGV[5] .. ':' .. i) end
  -- A clock that is given does not run as Redis's does, which ends keys.
  redis.call('PEXPIRE', KEYS[1], math.ceil(longest / 1000) + 1 + (ARGV[1] == '0' and 0 or 3600000))
  used = used + wanted
end
return {allowed and 1 or 0, math.max(0, capacity - used), ends(0), retry}
