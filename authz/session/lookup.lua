-- Looks a session up, judges it, and notes that it was used.
-- KEYS[1] the session
-- ARGV[1] now, [2] greatest idle time and [3] greatest age that the policy allows (0: any),
-- [4] ms for which an ended session is remembered; all in ms
-- Returns {verdict, field, value, ...}; the fields as they were before this use.
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then return {'none'} end
local s = {}
for i = 1, #fields, 2 do s[fields[i]] = fields[i + 1] end
local function answer(verdict) return {verdict, unpack(fields)} end
if s.end_ then return answer(s.end_) end

local now, max_idle, max_age, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local created, seen, absolute, idle = tonumber(s.c), tonumber(s.l), tonumber(s.x), tonumber(s.i)
if now >= absolute then return answer('absolute') end
if now - seen >= idle then return answer('idle') end
-- A use that the policy refuses does not count as one: else the second try would pass.
if max_age > 0 and now - created >= max_age then return answer('demand_age') end
if max_idle > 0 and now - seen >= max_idle then return answer('demand_idle') end

if now - seen >= math.min(1000, idle / 20) then
  redis.call('HSET', KEYS[1], 'l', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], math.ceil(math.min(absolute - now, idle) + grace))
end
return answer('valid')
