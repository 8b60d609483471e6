-- One counter of failed attempts: n of them, and until when the next must wait.
-- KEYS: counters of one slot.
-- ARGV: what to do, the time now in ms, then for each key: free, first ms, longest ms.
-- take:   counts an attempt as failed beforehand, so that many at once cannot
--         slip through; answers 0, or how long to wait in ms and counts nothing.
-- refund: takes such an attempt back.
-- clear:  forgets the counters, and answers the highest.
local what, now = ARGV[1], tonumber(ARGV[2])
local memory = 24 * 3600 * 1000

if what == 'clear' then
  local most = 0
  for _, key in ipairs(KEYS) do
    most = math.max(most, tonumber(redis.call('HGET', key, 'n') or '0'))
    redis.call('DEL', key)
  end
  return most
end

if what == 'refund' then
  for _, key in ipairs(KEYS) do
    local n = tonumber(redis.call('HGET', key, 'n') or '0')
    if n <= 1 then
      redis.call('DEL', key)
    else
      redis.call('HSET', key, 'n', n - 1, 'until', 0)
    end
  end
  return 0
end

local wait = 0
for _, key in ipairs(KEYS) do
  wait = math.max(wait, tonumber(redis.call('HGET', key, 'until') or '0') - now)
end
if wait > 0 then return wait end

for i, key in ipairs(KEYS) do
  local free, first, longest = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local n = redis.call('HINCRBY', key, 'n', 1)
  if n >= free then
    -- 2^20 is beyond any longest; higher powers would only lose precision.
    redis.call('HSET', key, 'until', now + math.min(first * 2 ^ math.min(n - free, 20), longest))
  end
  redis.call('PEXPIRE', key, memory)
end
return 0
