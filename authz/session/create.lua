-- Stores a new session, drops what ended long ago, and keeps to the cap.
-- ARGV [1] now, [2] floor: what was born before it is revoked, [3] id, [4] record, [5] device and network,
-- [6] user, [7] name, [8] tenant, [9] cap (0: none), [10] "oldest" or "refuse", [11] ms to remember the ended
-- Returns {"created", ids of those that had to go...}, {"full"} or {"taken"}.
local now, floor, cap, memory = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[9]), tonumber(ARGV[11])
local owner = redis.call('HGET', KEYS[1], 'u')
-- Two users of one handle, or one token drawn twice: neither can be, and neither may pass.
if owner and owner ~= ARGV[6] then return {'taken'} end
if redis.call('HEXISTS', KEYS[1], ARGV[3]) == 1 then return {'taken'} end
local g, living, dropped = generation(), {}, {}
for _, e in ipairs(all()) do
  local id, s = e[1], e[3]
  if current(s, now, g, floor) then living[#living + 1] = e
  elseif now >= math.min(s.absolute, s.seen + s.idle) + memory then dropped[#dropped + 1] = id end
end
local out = {'created'}
if cap > 0 and #living >= cap then
  if ARGV[10] == 'refuse' then return {'full'} end
  table.sort(living, function(a, b)
    if a[3].created ~= b[3].created then return a[3].created < b[3].created end
    return a[1] < b[1]
  end)
  for i = 1, #living - cap + 1 do
    finish(living[i][1], living[i][2], now, CROWDED)
    out[#out + 1] = living[i][1]
  end
end
for _, id in ipairs(dropped) do redis.call('HDEL', KEYS[1], id, device(id)) end
local s = open(ARGV[4])
s.generation = g
redis.call('HSET', KEYS[1], 'u', ARGV[6], ARGV[3], close(s, tail(ARGV[4])))
for name, value in pairs({n = ARGV[7], t = ARGV[8], [device(ARGV[3])] = ARGV[5]}) do
  if value == '' then redis.call('HDEL', KEYS[1], name) else redis.call('HSET', KEYS[1], name, value) end
end
prolong(s.idle + memory)
return out
