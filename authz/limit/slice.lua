-- Takes a slice of a fixed window's budget, as limit.lua keeps it, or gives back what is left of one.
-- KEYS[1]  the counter: "<number of the window since the epoch> <hits>"
-- ARGV[1]  now in us, or 0: Redis's clock
-- ARGV[2]  hits to take, or less than 0: to give back
-- ARGV[3]  the limit
-- ARGV[4]  the window in us
-- ARGV[5]  to give back: the number of the window that they are of
-- Returns what was taken, the hits after it, the number of the window, and us until it ends.
local now, n = tonumber(ARGV[1]), tonumber(ARGV[2])
local limit, window = tonumber(ARGV[3]), tonumber(ARGV[4])
if now == 0 then
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local index, used = math.floor(now / window), 0
local stored = redis.call('GET', KEYS[1])
if stored then
  local at, hits = string.match(stored, '^(%d+) (%d+)$')
  if tonumber(at) >= index then index, used = tonumber(at), tonumber(hits) end
end
local ends = (index + 1) * window - now
local taken = 0
if n < 0 then
  -- Never below what others have used: a counter that is gone, or smaller, lost its data.
  if index == tonumber(ARGV[5]) and used + n >= 0 then taken = n end
else
  -- A quarter of what is left at most, so that the last hits of a budget lie where they are asked for.
  taken = math.max(0, math.min(n, math.ceil((limit - used) / 4)))
end
if taken ~= 0 then
  used = used + taken
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', index, used), 'PX',
    math.ceil(ends / 1000) + 1 + (ARGV[1] == '0' and 0 or 3600000))
end
return {taken, used, index, ends}
