-- Takes a slice of a fixed window's budget, or gives back what is left of one.
-- KEYS[1]  the window's counter
-- ARGV[1]  hits to take, or less than 0: to give back
-- ARGV[2]  the limit
-- ARGV[3]  ms that a new counter stays
-- Returns what was taken, and the count after it.
local n, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local stored = redis.call('GET', KEYS[1])
local used = tonumber(stored or 0)
if n < 0 then
  -- Never below what others have used: a counter that is gone, or smaller, lost its data.
  if stored and used + n >= 0 then used = redis.call('INCRBY', KEYS[1], ARGV[1]) end
  return {0, used}
end
local taken = math.min(n, limit - used)
if taken <= 0 then return {0, used} end
if stored then
  used = redis.call('INCRBY', KEYS[1], string.format('%.0f', taken))
else
  redis.call('SET', KEYS[1], string.format('%.0f', taken), 'PX', ARGV[3])
  used = taken
end
return {taken, used}
